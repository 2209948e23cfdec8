// The PC: i440FX and PIIX3. What depends on the configuration is in the SSDT.
DefinitionBlock ("", "DSDT", 2, "HVSIM ", "HVSIMPC ", 0x00000001)
{
    External (\W32B, IntObj)
    External (\W32E, IntObj)
    External (\W64B, IntObj)
    External (\W64L, IntObj)

    Name (\PICM, 0) // 1: the operating system uses the I/O APIC
    Method (\_PIC, 1)
    {
        \PICM = Arg0
    }
    Name (\_S5, Package (4) { 0, 0, 0, 0 })

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Include ("root.asl")

            // Slot 1 has INTA# on PIRQA#, each slot is one further; pins 16-19 of the I/O APIC.
            Method (_PRT, 0, Serialized)
            {
                Name (PRTP, Package (128) {})
                Local0 = 0
                While (Local0 < 128)
                {
                    Local1 = Local0 >> 2
                    Local2 = (Local0 + Local1 + 3) & 3
                    If (\PICM)
                    {
                        Local3 = Package (4) { 0, 0, 0, 0 }
                        Local3 [3] = 16 + Local2
                    }
                    ElseIf (Local2 == 0)
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKA, 0 }
                    }
                    ElseIf (Local2 == 1)
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKB, 0 }
                    }
                    ElseIf (Local2 == 2)
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKC, 0 }
                    }
                    Else
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKD, 0 }
                    }
                    Local3 [0] = (Local1 << 16) | 0xFFFF
                    Local3 [1] = Local0 & 3
                    PRTP [Local0] = Local3
                    Local0++
                }
                Return (PRTP)
            }

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (RTER, PCI_Config, 0x60, 0x04)
                Field (RTER, ByteAcc, NoLock, Preserve)
                {
                    PRQA, 8,
                    PRQB, 8,
                    PRQC, 8,
                    PRQD, 8
                }
                Include ("links.asl")
                Include ("isa.asl")
            }
        }
        Include ("board.asl")
    }
}

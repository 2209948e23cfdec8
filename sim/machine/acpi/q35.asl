// Q35 and ICH9. What depends on the configuration is in the SSDT.
DefinitionBlock ("", "DSDT", 2, "HVSIM ", "HVSIMQ35", 0x00000001)
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
    Name (\_S5, Package (4) { 7, 7, 0, 0 })

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Include ("root.asl")

            // PCI Firmware Specification, "_OSC Interface for PCI Host Bridge Devices": the operating system may
            // control what it asks for, without slots that are plugged.
            Method (_OSC, 4)
            {
                CreateDWordField (Arg3, 0, CDW1)
                If (Arg0 == ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
                {
                    CreateDWordField (Arg3, 8, CDW3)
                    CDW3 &= 0x1E
                    If (Arg1 != 1)
                    {
                        CDW1 |= 0x08
                    }
                }
                Else
                {
                    CDW1 |= 0x04
                }
                Return (Arg3)
            }

            // Devices 25-31 are on PIRQA#-PIRQD#, the slots on PIRQE#-PIRQH#, each one further; pins 16-23 of the I/O APIC.
            Method (_PRT, 0, Serialized)
            {
                Name (PRTP, Package (128) {})
                Local0 = 0
                While (Local0 < 128)
                {
                    Local1 = Local0 >> 2
                    Local2 = Local0 & 3
                    If (Local1 < 25)
                    {
                        Local2 = 4 + ((Local0 + Local1) & 3)
                    }
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
                    ElseIf (Local2 == 3)
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKD, 0 }
                    }
                    ElseIf (Local2 == 4)
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKE, 0 }
                    }
                    ElseIf (Local2 == 5)
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKF, 0 }
                    }
                    ElseIf (Local2 == 6)
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKG, 0 }
                    }
                    Else
                    {
                        Local3 = Package (4) { 0, 0, \_SB.PCI0.ISA.LNKH, 0 }
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
                Name (_ADR, 0x001F0000)
                OperationRegion (RTER, PCI_Config, 0x60, 0x0C)
                Field (RTER, ByteAcc, NoLock, Preserve)
                {
                    PRQA, 8,
                    PRQB, 8,
                    PRQC, 8,
                    PRQD, 8,
                    Offset (0x08),
                    PRQE, 8,
                    PRQF, 8,
                    PRQG, 8,
                    PRQH, 8
                }
                Include ("links.asl")
                Include ("links-high.asl")
                Include ("isa.asl")
            }
        }
        Include ("board.asl")
    }
}

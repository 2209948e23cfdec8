    // Interrupt link devices, and what they share. Bit 7 of a route register PRQx: to no ISA interrupt.
    Name (LPRS, ResourceTemplate ()
    {
        Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5, 10, 11 }
    })
    Method (LSTA, 1)
    {
        If (Arg0 & 0x80)
        {
            Return (0x09)
        }
        Return (0x0B)
    }
    Method (LCRS, 1, Serialized)
    {
        Name (LIRQ, ResourceTemplate ()
        {
            Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 0 }
        })
        CreateDWordField (LIRQ, 0x05, LNUM)
        If (!(Arg0 & 0x80))
        {
            LNUM = Arg0
        }
        Return (LIRQ)
    }
    Device (LNKA)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 1)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQA)) }
        Method (_DIS) { PRQA |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQA)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQA = WANT
        }
    }

    Device (LNKB)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 2)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQB)) }
        Method (_DIS) { PRQB |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQB)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQB = WANT
        }
    }

    Device (LNKC)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 3)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQC)) }
        Method (_DIS) { PRQC |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQC)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQC = WANT
        }
    }

    Device (LNKD)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 4)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQD)) }
        Method (_DIS) { PRQD |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQD)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQD = WANT
        }
    }

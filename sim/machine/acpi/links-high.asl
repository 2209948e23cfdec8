    // The four links that the Q35 machine has besides.
    Device (LNKE)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 5)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQE)) }
        Method (_DIS) { PRQE |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQE)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQE = WANT
        }
    }

    Device (LNKF)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 6)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQF)) }
        Method (_DIS) { PRQF |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQF)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQF = WANT
        }
    }

    Device (LNKG)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 7)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQG)) }
        Method (_DIS) { PRQG |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQG)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQG = WANT
        }
    }

    Device (LNKH)
    {
        Name (_HID, EisaId ("PNP0C0F"))
        Name (_UID, 8)
        Method (_PRS) { Return (LPRS) }
        Method (_STA) { Return (LSTA (PRQH)) }
        Method (_DIS) { PRQH |= 0x80 }
        Method (_CRS) { Return (LCRS (PRQH)) }
        Method (_SRS, 1)
        {
            CreateDWordField (Arg0, 0x05, WANT)
            PRQH = WANT
        }
    }

    // On neither bus: the event timer, ports of the board itself, and the firmware configuration device.
    Device (HPET)
    {
        Name (_HID, EisaId ("PNP0103"))
        Name (_UID, 0)
        Name (_CRS, ResourceTemplate ()
        {
            Memory32Fixed (ReadOnly, 0xFED00000, 0x00000400)
        })
    }
    Device (MBRD)
    {
        Name (_HID, EisaId ("PNP0C02"))
        Name (_UID, 1)
        Name (_CRS, ResourceTemplate ()
        {
            IO (Decode16, 0x0080, 0x0080, 0x01, 0x01)
            IO (Decode16, 0x0092, 0x0092, 0x01, 0x01)
            IO (Decode16, 0x00B2, 0x00B2, 0x01, 0x02)
        })
    }
    Device (FWCF)
    {
        Name (_HID, "QEMU0002")
        Name (_STA, 0x0B)
        Name (_CRS, ResourceTemplate ()
        {
            IO (Decode16, 0x0510, 0x0510, 0x01, 0x0C)
        })
    }

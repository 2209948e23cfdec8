    // The PCI root bridge's resources. Where its memory windows lie is said by names in the SSDT.
    Name (CRES, ResourceTemplate ()
    {
        WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0x0000, 0x0000, 0x00FF, 0x0000, 0x0100)
        IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
        WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0x0000, 0x0000, 0x0CF7, 0x0000, 0x0CF8)
        WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0x0000, 0x0D00, 0xFFFF, 0x0000, 0xF300)
        DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
            0x00000000, 0x000A0000, 0x000BFFFF, 0x00000000, 0x00020000)
        DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
            0x00000000, 0xC0000000, 0xFEBFFFFF, 0x00000000, 0x3EC00000, , , M32)
    })
    Name (CRHI, ResourceTemplate ()
    {
        QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
            0x0000000000000000, 0x0000000800000000, 0x0000000FFFFFFFFF, 0x0000000000000000, 0x0000000800000000, , , M64)
    })
    Method (_CRS, 0, Serialized)
    {
        CreateDWordField (CRES, ^M32._MIN, LMIN)
        CreateDWordField (CRES, ^M32._MAX, LMAX)
        CreateDWordField (CRES, ^M32._LEN, LLEN)
        LMIN = \W32B
        LMAX = \W32E
        LLEN = \W32E - \W32B + 1
        If (\W64L == 0)
        {
            Return (CRES)
        }
        CreateQWordField (CRHI, ^M64._MIN, HMIN)
        CreateQWordField (CRHI, ^M64._MAX, HMAX)
        CreateQWordField (CRHI, ^M64._LEN, HLEN)
        HMIN = \W64B
        HMAX = \W64B + \W64L - 1
        HLEN = \W64L
        Return (ConcatenateResTemplate (CRES, CRHI))
    }

/* Between the files that make up the PCI bus. */
#ifndef HVSIM_DEV_PCI_INTERNAL_H
#define HVSIM_DEV_PCI_INTERNAL_H

#include "sim/dev/pci.h"

/* Map the BARs where the configuration space says. */
void pci_update_bars(struct pci_device *p);
/* Pin, MSI and MSI-X follow the configuration space. */
void pci_update_interrupts(struct pci_device *p);
void pci_msix_reset(struct pci_device *p);

#endif

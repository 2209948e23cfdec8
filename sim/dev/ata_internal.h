/* Inside ata*.c and atapi*.c */
#ifndef HVSIM_DEV_ATA_INTERNAL_H
#define HVSIM_DEV_ATA_INTERNAL_H

#include "sim/dev/ata.h"

void ata_done(struct ata_drive *d);
void ata_fail(struct ata_drive *d, uint8_t error);
void ata_signature(struct ata_drive *d);
/* Answer with the first `size` bytes of the buffer. */
void ata_reply(struct ata_drive *d, enum ata_phase phase, uint32_t size);

/* IDENTIFY (PACKET) DEVICE into the buffer */
void ata_identify(struct ata_drive *d);

/* ata_feature.c */
void ata_set_features(struct ata_drive *d);
void ata_smart(struct ata_drive *d);
void ata_read_log(struct ata_drive *d, enum ata_phase phase);

/* atapi.c */
void atapi_reset(struct ata_drive *d);
void atapi_packet_command(struct ata_drive *d); /* PACKET */
void atapi_media_error(struct ata_drive *d);    /* a sector could not be read */

/* atapi_info.c: a reply of so many bytes in the buffer, before it is cut to the allocation length; 0: illegal request
 */
uint32_t atapi_inquiry(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_read_capacity(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_read_toc(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_mode_sense(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_request_sense(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_get_configuration(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_get_event_status(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_disc_information(struct ata_drive *d, const uint8_t *packet);
uint32_t atapi_mechanism_status(struct ata_drive *d, const uint8_t *packet);

static inline void put_be16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v; }
static inline void put_be32(uint8_t *p, uint32_t v) { put_be16(p, v >> 16), put_be16(p + 2, v); }
static inline uint32_t get_be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t get_be32(const uint8_t *p) { return get_be16(p) << 16 | get_be16(p + 2); }

#endif

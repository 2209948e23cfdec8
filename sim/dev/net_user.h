/* A network in user mode: libslirp is the guest's router, DHCP and name server, and makes its connections with the
 * host's sockets. What comes from there comes at the host's time: a run with it is not deterministic. */
#ifndef HVSIM_DEV_NET_USER_H
#define HVSIM_DEV_NET_USER_H

#include "sim/machine/hostio.h"

#define NET_FRAME_MAX 1514u /* Ethernet header and 1500 bytes */

struct net_user;
typedef void net_receive_fn(void *arg, const uint8_t *frame, size_t size);

/* `options` is what follows "user": nothing, or ",hostfwd=PROTOCOL:[ADDRESS:]PORT-[ADDRESS]:PORT" several times. What
 * the network sends to the guest goes to `receive`. NULL: err says why. */
struct net_user *net_user_create(struct machine *m, const char *options, net_receive_fn *receive, void *arg, char *err,
                                 size_t err_size);
void net_user_destroy(struct net_user *n);
void net_user_send(struct net_user *n, const uint8_t *frame, size_t size);
void net_user_poll(struct net_user *n);
void net_user_wait(struct net_user *n, struct host_wait *w);

#endif

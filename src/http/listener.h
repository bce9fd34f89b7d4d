/*
 * listener.h - the socket that the server listens on.
 */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include <stdbool.h>

#include "firered/status.h"

/* Binds host (a name or an address; 0.0.0.0 takes IPv6 too where the machine has it) and port (0: any free one), or takes the socket that systemd
 * passed (LISTEN_PID, LISTEN_FDS), which wins over both; *passed tells.  *port is then the real
 * one.  The caller closes *fd. STATUS_INVALID: no such host; the sentence says where it came from when
 * that is the environment, which others write, too.  STATUS_IO: the port is taken, or not
 * ours to take. */
enum status listener_open(int *fd, const char *host, bool host_from_environment, int *port,
                          bool *passed, struct error *err);

/* Whether only this machine reaches it. */
bool listener_is_local(int fd);

/* Tells the service manager, where there is one ($NOTIFY_SOCKET), how we are: "READY=1",
 * "STOPPING=1". */
void notify_manager(const char *state);

#endif

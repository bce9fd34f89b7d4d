/*
 * lanes.h - the connections of a pull, and the rate that they keep to together.
 *
 * A lane is taken for one request, or for one segment, and given back; who waits longest gets the
 * next one.  The connection in it is kept open from one holder to the next.
 */
#ifndef HUB_LANES_H
#define HUB_LANES_H

#include "hub/hub.h"

struct hub_lanes;

/* As many as o->connections says, but none that would be slower than 8 KB/s at o->rate.
 * STATUS_NO_MEMORY. */
enum status hub_lanes_create(struct hub_lanes **out, const struct hub_options *o,
                             struct error *err);
void hub_lanes_destroy(struct hub_lanes *lanes); /* all lanes given back; NULL is fine */
int hub_lanes_count(const struct hub_lanes *lanes);

/* Blocks until one is free. */
struct http_connection *hub_lanes_take(struct hub_lanes *lanes);
void hub_lanes_give(struct hub_lanes *lanes, struct http_connection *lane);

/* Called with every piece that came: sleeps as the rate wants it.  False: cancelled. */
bool hub_lanes_slow_down(struct hub_lanes *lanes, size_t bytes);

#endif

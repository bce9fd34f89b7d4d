/*
 * browser.h - a headless Chromium with one page open, driven over the DevTools protocol
 * (chromedevtools.github.io/devtools-protocol) as a person would: with a mouse, a keyboard, files.
 *
 * The protocol's JSON goes through two pipes, descriptors 3 and 4 of the browser, each message
 * ended by a zero byte; no port, no other program.  Every function fails the running test when the
 * browser refuses, ends, or does not answer within BROWSER_SECONDS.
 */
#ifndef TESTS_WEB_BROWSER_H
#define TESTS_WEB_BROWSER_H

#include "support/unit_test.h"

#include <jansson.h>
#include <sys/types.h>

#include "base/buffer.h"

enum { BROWSER_SECONDS = 30 };

struct browser {
    pid_t pid;
    int to, from;             /* our ends of the pipes */
    struct buffer received;   /* not yet read as a message */
    char *folder;             /* its profile and all else that it writes */
    char session[64];         /* of the page; empty: none is open */
    char context[64];         /* with the page's storage */
    int last_id;              /* of a request */
    struct buffer complaints; /* errors, warnings and violations that the page caused, a line each */
};

bool browser_is_installed(void);
void browser_start(struct browser *b);
void browser_stop(struct browser *b);

/* Opens a new page with storage of its own, and closes the one before; what was emulated ends. */
void page_new(struct browser *b);
void page_go(struct browser *b, const char *url); /* waits until it is loaded */

/* One request to the page; `params` (NULL: none) is taken over.  The result is the caller's. */
json_t *page_call(struct browser *b, const char *method, json_t *params);

/* The value of an expression, awaited where it is a promise; the caller's. */
json_t *page_eval(struct browser *b, const char *expression);
bool page_is(struct browser *b, const char *expression); /* whether it is truthy */
void page_wait(struct browser *b, const char *expression);

/* The value of a string expression, at most `size` - 1 bytes of it. */
void page_text(struct browser *b, const char *expression, char *out, size_t size);

/* Moves the mouse to the middle of the element and clicks: fails where it is hidden or covered. */
void page_click(struct browser *b, const char *selector);
/* Presses the mouse on the element, moves it by (x, y) pixels and lets go. */
void page_drag(struct browser *b, const char *selector, int x, int y);
void page_type(struct browser *b, const char *selector, const char *text); /* replaces its text */
void page_key(struct browser *b,
              const char *key); /* "Tab", "ArrowLeft", "+"; as in KeyboardEvent */

/* Chooses files in an input; their absolute paths, up to a NULL. */
void page_files(struct browser *b, const char *selector, const char *const *paths);

void page_size(struct browser *b, int width, int height, bool phone);
void page_dark(struct browser *b, bool dark);
void page_scripts(struct browser *b, bool on);

/* Writes the whole page to SCREENSHOTS/NAME.png. */
void page_screenshot(struct browser *b, const char *name);

/* Fails if the page has complained of anything that does not contain `allowed` (NULL: of anything
 * at all). */
void page_is_quiet(struct browser *b, const char *allowed);

#endif

/*
 * Speaks the DevTools protocol over the two pipes that Chromium takes for it: JSON messages that
 * end with a NUL.  A call waits for its answer and takes note of the events that come before.
 */
#include "web/browser.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/harness.h"
#include "support/child.h"
#include "support/files.h"

/* ---- the process ---- */

bool browser_is_installed(void) {
    return system("command -v chromium >/dev/null 2>&1") == 0;
}

/* Descriptors 3 and 4 may be ours to keep: they are moved out of the way first. */
struct start {
    const char *folder;
    int in, out;
};

static void become_browser(void *arg) {
    const struct start *start = arg;
    const char *folder = start->folder;
    char profile[96], log[96];
    snprintf(profile, sizeof profile, "--user-data-dir=%s/profile", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    setpgid(0, 0);
    setenv("HOME", folder, 1);
    int in = fcntl(start->in, F_DUPFD_CLOEXEC, 10), out = fcntl(start->out, F_DUPFD_CLOEXEC, 10);
    int file = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    dup2(in, 3);
    dup2(out, 4);
    execlp("chromium", "chromium", "--headless=new", "--remote-debugging-pipe", profile,
           "--no-sandbox", /* it only sees our own pages, and root may not have one */
           "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--disable-extensions",
           "--force-color-profile=srgb", "--lang=en-US", "--mute-audio", (char *)NULL);
    _exit(127);
}

void browser_start(struct browser *b) {
    int in[2], out[2];
    *b = (struct browser){0};
    b->folder = temporary_folder();
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    signal(SIGPIPE, SIG_IGN);
    b->pid = child_fork(become_browser, &(struct start){b->folder, in[0], out[1]});
    close(in[0]);
    close(out[1]);
    b->to = in[1];
    b->from = out[0];
}

void browser_stop(struct browser *b) {
    close(b->to); /* ends it */
    child_end(b->pid, 5);
    kill(-b->pid, SIGKILL); /* and its helpers */
    close(b->from);
    abandon_folder(b->folder); /* a helper of the browser may still be writing */
    buffer_free(&b->received);
    buffer_free(&b->complaints);
}

/* ---- messages ---- */

static void send_message(struct browser *b, json_t *message) {
    char *text = json_dumps(message, JSON_COMPACT);
    assert_non_null(text);
    for (size_t at = 0, size = strlen(text) + 1; at < size;) {
        ssize_t n = write(b->to, text + at, size - at);
        if (n < 0 && errno != EINTR) fail_msg("the browser has ended: %s", strerror(errno));
        if (n > 0) at += (size_t)n;
    }
    free(text);
    json_decref(message);
}

static void tell_log(const struct browser *b) {
    char text[4096];
    if (!text_from_file(in_folder(b->folder, "log"), text, sizeof text)) return;
    print_error("the browser said: %s\n", text);
}

/* The next message; the caller's. */
static json_t *receive(struct browser *b, int64_t until, const char *waiting_for) {
    char *end;
    while (!b->received.size || !(end = memchr(b->received.data, '\0', b->received.size))) {
        struct pollfd p = {b->from, POLLIN, 0};
        char bytes[65536];
        int64_t left = until - now_ms();
        ssize_t n =
            left > 0 && poll(&p, 1, (int)left) > 0 ? read(b->from, bytes, sizeof bytes) : -1;
        if (n > 0 && buffer_append(&b->received, bytes, (size_t)n, NULL) == STATUS_OK) continue;
        tell_log(b);
        fail_msg("%s: %s", waiting_for, n == 0 ? "the browser has ended" : "no answer");
    }
    size_t size = (size_t)(end - b->received.data);
    json_t *message = json_loadb(b->received.data, size, 0, NULL);
    assert_non_null(message);
    b->received.size -= size + 1;
    memmove(b->received.data, end + 1, b->received.size);
    return message;
}

static const char *string_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void note(struct browser *b, const char *kind, const char *text, const char *where) {
    buffer_printf(&b->complaints, "%s: %s %s\n", kind, text, where);
}

/* Keeps what a developer would see in red or yellow. */
static void hear(struct browser *b, const json_t *event) {
    const char *method = string_at(event, "method");
    const json_t *params = json_object_get(event, "params");
    if (strcmp(method, "Log.entryAdded") == 0) {
        const json_t *entry = json_object_get(params, "entry");
        const char *level = string_at(entry, "level");
        if (strcmp(level, "error") == 0 || strcmp(level, "warning") == 0)
            note(b, string_at(entry, "source"), string_at(entry, "text"), string_at(entry, "url"));
    } else if (strcmp(method, "Runtime.exceptionThrown") == 0) {
        const json_t *details = json_object_get(params, "exceptionDetails");
        const json_t *exception = json_object_get(details, "exception");
        note(b, "exception", string_at(details, "text"), string_at(exception, "description"));
    } else if (strcmp(method, "Runtime.consoleAPICalled") == 0) {
        const char *type = string_at(params, "type");
        if (strcmp(type, "error") == 0 || strcmp(type, "warning") == 0 ||
            strcmp(type, "assert") == 0)
            note(b, "console", type, "");
    } else if (strcmp(method, "Inspector.targetCrashed") == 0) {
        note(b, "crash", "the page has crashed", "");
    }
}

static json_t *call(struct browser *b, const char *session, const char *method, json_t *params) {
    int64_t until = now_ms() + BROWSER_SECONDS * 1000;
    int id = ++b->last_id;
    json_t *request = json_pack("{s:i, s:s, s:o}", "id", id, "method", method, "params",
                                params ? params : json_object());
    assert_non_null(request);
    if (*session) json_object_set_new(request, "sessionId", json_string(session));
    send_message(b, request);
    for (;;) {
        json_t *message = receive(b, until, method);
        json_t *result = json_object_get(message, "result");
        const json_t *error = json_object_get(message, "error");
        bool ours = json_integer_value(json_object_get(message, "id")) == id;
        if (ours && error) fail_msg("%s: %s", method, string_at(error, "message"));
        if (ours) json_incref(result);
        if (!ours) hear(b, message);
        json_decref(message);
        if (ours) return result;
    }
}

json_t *page_call(struct browser *b, const char *method, json_t *params) {
    return call(b, b->session, method, params);
}

/* A call whose result nobody needs. */
static void tell(struct browser *b, const char *method, json_t *params) {
    json_decref(page_call(b, method, params));
}

static void copy_at(char *out, size_t size, json_t *object, const char *key) {
    snprintf(out, size, "%s", string_at(object, key));
    assert_true(*out);
    json_decref(object);
}

void page_new(struct browser *b) {
    char target[64];
    if (*b->context)
        json_decref(call(b, "", "Target.disposeBrowserContext",
                         json_pack("{s:s}", "browserContextId", b->context)));
    b->complaints.size = 0;
    copy_at(b->context, sizeof b->context, call(b, "", "Target.createBrowserContext", NULL),
            "browserContextId");
    copy_at(target, sizeof target,
            call(b, "", "Target.createTarget",
                 json_pack("{s:s, s:s}", "url", "about:blank", "browserContextId", b->context)),
            "targetId");
    copy_at(b->session, sizeof b->session,
            call(b, "", "Target.attachToTarget",
                 json_pack("{s:s, s:b}", "targetId", target, "flatten", 1)),
            "sessionId");
    static const char *const domains[] = {"Page", "Runtime", "Log", "DOM", "Accessibility"};
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        char method[32];
        snprintf(method, sizeof method, "%s.enable", domains[i]);
        tell(b, method, NULL);
    }
    page_size(b, 1280, 900, false);
}

void page_go(struct browser *b, const char *url) {
    int64_t until = now_ms() + BROWSER_SECONDS * 1000;
    json_t *result = page_call(b, "Page.navigate", json_pack("{s:s}", "url", url));
    assert_string_equal(string_at(result, "errorText"), "");
    json_decref(result);
    for (bool loaded = false; !loaded;) {
        json_t *message = receive(b, until, url);
        loaded = strcmp(string_at(message, "method"), "Page.loadEventFired") == 0;
        hear(b, message);
        json_decref(message);
    }
}

/* ---- looking ---- */

json_t *page_eval(struct browser *b, const char *expression) {
    json_t *answer = page_call(b, "Runtime.evaluate",
                               json_pack("{s:s, s:b, s:b, s:b}", "expression", expression,
                                         "returnByValue", 1, "awaitPromise", 1, "userGesture", 1));
    const json_t *details = json_object_get(answer, "exceptionDetails");
    if (details)
        fail_msg("%s: %s", expression,
                 string_at(json_object_get(details, "exception"), "description"));
    json_t *value = json_object_get(json_object_get(answer, "result"), "value");
    if (value)
        json_incref(value);
    else
        value = json_null();
    json_decref(answer);
    return value;
}

bool page_is(struct browser *b, const char *expression) {
    char truth[4096];
    assert_true(snprintf(truth, sizeof truth, "Boolean(%s)", expression) < (int)sizeof truth);
    json_t *value = page_eval(b, truth);
    bool is = json_is_true(value);
    json_decref(value);
    return is;
}

void page_wait(struct browser *b, const char *expression) {
    for (int64_t until = now_ms() + BROWSER_SECONDS * 1000; !page_is(b, expression); sleep_ms(10)) {
        if (now_ms() < until) continue;
        page_screenshot(b, "waited-for-too-long");
        fail_msg("never true: %s\n%s", expression, b->complaints.size ? b->complaints.data : "");
    }
}

void page_text(struct browser *b, const char *expression, char *out, size_t size) {
    json_t *value = page_eval(b, expression);
    if (!json_is_string(value)) fail_msg("no text: %s", expression);
    snprintf(out, size, "%s", json_string_value(value));
    json_decref(value);
}

/* A value of 6 bits; -1 for padding and anything else. */
static int base64_value(char c) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

void page_screenshot(struct browser *b, const char *name) {
    char path[512];
    json_t *metrics = page_call(b, "Page.getLayoutMetrics", NULL);
    const json_t *size = json_object_get(metrics, "cssContentSize");
    json_t *shot = page_call(b, "Page.captureScreenshot",
                             json_pack("{s:s, s:b, s:{s:i, s:i, s:O, s:O, s:i}}", "format", "png",
                                       "captureBeyondViewport", 1, "clip", "x", 0, "y", 0, "width",
                                       json_object_get(size, "width"), "height",
                                       json_object_get(size, "height"), "scale", 1));
    snprintf(path, sizeof path, "%s/%s.png", SCREENSHOTS, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    unsigned bits = 0, count = 0;
    for (const char *p = string_at(shot, "data"); base64_value(*p) >= 0; p++) {
        bits = bits << 6 | (unsigned)base64_value(*p);
        if (++count % 4 != 1) fputc((int)(bits >> (6 - 2 * ((count - 1) % 4)) & 0xff), f);
    }
    assert_int_equal(fclose(f), 0);
    json_decref(shot);
    json_decref(metrics);
}

void page_is_quiet(struct browser *b, const char *allowed) {
    page_is(b, "1"); /* what was said before this has been heard after it */
    char *rest, *text = strndup(b->complaints.size ? b->complaints.data : "", b->complaints.size);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!allowed || !strstr(line, allowed)) fail_msg("the page complains: %s", line);
    free(text);
    b->complaints.size = 0;
}

/* ---- acting ---- */

/* The middle of an element that can be seen and is not covered, in pixels of the window. */
static void middle_of(struct browser *b, const char *selector, double *x, double *y) {
    char expression[1024];
    snprintf(expression, sizeof expression,
             "(() => { const e = document.querySelector(`%s`); if (!e) return 'is not there';"
             "e.scrollIntoView({block: 'center', behavior: 'instant'});"
             "const r = e.getBoundingClientRect();"
             "const x = r.left + r.width / 2, y = r.top + r.height / 2;"
             "const top = document.elementFromPoint(x, y);"
             "return !r.width ? 'is hidden' : !e.contains(top) ? `is covered by "
             "${top?.outerHTML.slice(0, 80)}`"
             ": [x, y]; })()",
             selector);
    json_t *place = page_eval(b, expression);
    if (json_is_string(place)) fail_msg("%s %s", selector, json_string_value(place));
    assert_int_equal(json_unpack(place, "[F, F]", x, y), 0);
    json_decref(place);
}

static void mouse(struct browser *b, const char *type, double x, double y, bool pressed) {
    tell(b, "Input.dispatchMouseEvent",
         json_pack("{s:s, s:f, s:f, s:s, s:i, s:i}", "type", type, "x", x, "y", y, "button",
                   pressed ? "left" : "none", "buttons", pressed, "clickCount", 1));
}

void page_drag(struct browser *b, const char *selector, int dx, int dy) {
    double x, y;
    middle_of(b, selector, &x, &y);
    mouse(b, "mouseMoved", x, y, false);
    mouse(b, "mousePressed", x, y, true);
    for (int i = 1; i <= 4 && (dx || dy); i++)
        mouse(b, "mouseMoved", x + dx * i / 4.0, y + dy * i / 4.0, true);
    mouse(b, "mouseReleased", x + dx, y + dy, true);
}

void page_click(struct browser *b, const char *selector) {
    page_drag(b, selector, 0, 0);
}

void page_type(struct browser *b, const char *selector, const char *text) {
    char expression[512];
    snprintf(expression, sizeof expression,
             "document.querySelector(`%s`).focus(), document.activeElement.select()", selector);
    json_decref(page_eval(b, expression));
    tell(b, "Input.insertText", json_pack("{s:s}", "text", text));
}

void page_key(struct browser *b, const char *key) {
    static const struct {
        const char *name;
        int code; /* Windows' virtual key, which the browser acts on */
        const char *text;
    } keys[] = {{"Tab", 9, NULL},         {"Enter", 13, "\r"},     {"Escape", 27, NULL},
                {"PageUp", 33, NULL},     {"PageDown", 34, NULL},  {"End", 35, NULL},
                {"Home", 36, NULL},       {"ArrowLeft", 37, NULL}, {"ArrowUp", 38, NULL},
                {"ArrowRight", 39, NULL}, {"ArrowDown", 40, NULL}, {"+", 187, "+"},
                {"-", 189, "-"},          {"0", 48, "0"}};
    size_t k = 0;
    while (k < sizeof keys / sizeof *keys && strcmp(keys[k].name, key) != 0) k++;
    assert_true(k < sizeof keys / sizeof *keys);
    json_t *down = json_pack("{s:s, s:s, s:i}", "type", keys[k].text ? "keyDown" : "rawKeyDown",
                             "key", key, "windowsVirtualKeyCode", keys[k].code);
    if (keys[k].text) json_object_set_new(down, "text", json_string(keys[k].text));
    tell(b, "Input.dispatchKeyEvent", down);
    tell(b, "Input.dispatchKeyEvent",
         json_pack("{s:s, s:s, s:i}", "type", "keyUp", "key", key, "windowsVirtualKeyCode",
                   keys[k].code));
}

void page_files(struct browser *b, const char *selector, const char *const *paths) {
    json_t *files = json_array();
    for (; *paths; paths++) json_array_append_new(files, json_string(*paths));
    json_t *document = page_call(b, "DOM.getDocument", NULL);
    json_t *found =
        page_call(b, "DOM.querySelector",
                  json_pack("{s:O, s:s}", "nodeId",
                            json_object_get(json_object_get(document, "root"), "nodeId"),
                            "selector", selector));
    tell(b, "DOM.setFileInputFiles",
         json_pack("{s:o, s:O}", "files", files, "nodeId", json_object_get(found, "nodeId")));
    json_decref(found);
    json_decref(document);
}

void page_size(struct browser *b, int width, int height, bool phone) {
    tell(b, "Emulation.setDeviceMetricsOverride",
         json_pack("{s:i, s:i, s:f, s:b}", "width", width, "height", height, "deviceScaleFactor",
                   1.0, "mobile", phone));
}

void page_dark(struct browser *b, bool dark) {
    tell(b, "Emulation.setEmulatedMedia",
         json_pack("{s:[{s:s, s:s}]}", "features", "name", "prefers-color-scheme", "value",
                   dark ? "dark" : "light"));
}

void page_scripts(struct browser *b, bool on) {
    tell(b, "Emulation.setScriptExecutionDisabled", json_pack("{s:b}", "value", !on));
}

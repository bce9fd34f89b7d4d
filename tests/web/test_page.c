/*
 * The page, as people use it: in a browser, with a mouse, a keyboard and files.
 *
 * One test edits a photograph with the program and the demo model; where a test has to hold an edit
 * still, the stand-in engine serves (tests/http/fake_engine.c: the prompt "hold=NAME").  Pictures of
 * what the page looks like are left in SCREENSHOTS.  Without Chromium the test is skipped.
 */
#include "support/unit_test.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/harness.h"
#include "support/files.h"
#include "web/browser.h"
#include "web/inspect.h"

#define CAT    ROOT "/examples/cat.jpg"
#define ROCKET ROOT "/examples/rocket.jpg"
#define COFFEE ROOT "/examples/coffee.jpg"

static struct browser browser;
static struct server_process server;
static char *scratch; /* files to upload */

/* ---- shorthand ---- */

static bool is(const char *expression) {
    return page_is(&browser, expression);
}

static void wait_until(const char *expression) {
    page_wait(&browser, expression);
}

static void click(const char *selector) {
    page_click(&browser, selector);
}

static void press(const char *key) {
    page_key(&browser, key);
}

static void choose(const char *path) {
    page_files(&browser, "#files", (const char *const[]){path, NULL});
}

#define STAGE(state) "document.querySelector('#stage').dataset.state === '" state "'"
#define SAYS(id, text)                                                                             \
    "document.getElementById('" id "').checkVisibility() && "                                      \
    "document.getElementById('" id "').textContent.includes(`" text "`)"

static void has_text(const char *id, const char *text) {
    char expression[200], shown[1000];
    snprintf(expression, sizeof expression, "document.getElementById('%s').textContent", id);
    page_text(&browser, expression, shown, sizeof shown);
    if (!strstr(shown, text)) fail_msg("#%s says '%s', not '%s'", id, shown, text);
}

/* The page itself, and what it learns of the server. */
static void open_page(void) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server.port);
    page_go(&browser, url);
}

static void serve(const char *program, const char *const *environment) {
    if (program)
        setenv("FIRERED_SERVER", program, 1);
    else
        unsetenv("FIRERED_SERVER");
    server_start_ready(&server, environment);
}

static void open_stand_in(const char *const *environment) {
    serve(NULL, environment);
    page_new(&browser);
    open_page();
    wait_until("document.querySelectorAll('#examples button').length === 2");
}

static void stop_server(void) {
    assert_int_equal(server_stop(&server, SIGTERM), 0);
}

static void inspect(const char *name) {
    page_inspect(&browser, name);
}

/* ---- tests ---- */

static void test_edit(void **state) {
    (void)state;
    serve(FIRERED_PROGRAM, (const char *const[]){"MODEL_ID=" ROOT "/models/demo", NULL});
    page_new(&browser);
    open_page();
    wait_until("document.querySelectorAll('#examples button').length === 8");
    has_text("served", "demo");
    inspect("desktop-empty");

    choose(CAT);
    wait_until("document.querySelectorAll('#thumbs li').length === 1 && " STAGE("input"));
    click("#examples button");
    assert_true(is("document.querySelector('#prompt').value === 'make it black and white'"));
    click("#more summary");
    assert_true(is("!guidance.checkVisibility() && !negative.checkVisibility()")); /* distilled */
    assert_true(is(SAYS("distilled-note", "without guidance")));
    page_type(&browser, "#seed", "18446744073709551615");
    page_type(&browser, "#steps", "6");
    inspect("desktop-input");

    json_decref(page_eval(
        &browser, "window.seen = new Set(), window.said = new Set(),"
                  "new MutationObserver(() => { said.add(doing.textContent);"
                  "seen.add(bar.value); }).observe(running, {subtree: true, childList: true,"
                  "attributes: true}), 0"));
    click("#edit");
    wait_until(STAGE("running"));
    page_dark(&browser, false);
    wait_until("said.has('Step 2 of 6')");
    page_screenshot(&browser, "desktop-running");
    wait_until(STAGE("done"));
    assert_true(is("seen.size >= 6 && [...seen].every((v, i, all) => !i || v > all[i - 1])"));
    assert_true(is("said.has('Step 1 of 6') && said.has('Step 5 of 6')"));
    wait_until("after.complete && before.complete");
    assert_true(is("before.naturalWidth === 451 && before.naturalHeight === 300"));

    assert_true(is("Math.abs(after.naturalWidth * after.naturalHeight - 262144) < 20000"));
    assert_true(is("after.naturalWidth > after.naturalHeight"));
    has_text("facts", "18446744073709551615");
    has_text("keep-seed", "18446744073709551615");
    assert_true(
        is("/^cat-make-it-black-and-white-18446744073709551615\\.png$/.test(download.download)"));
    page_is_quiet(&browser, NULL);
    wait_until("document.querySelectorAll('#strip li').length === 1");
    inspect("desktop-done");
    page_dark(&browser, true);
    inspect("desktop-done-dark");
    stop_server();
}

/* Puts a picture and a prompt in the form, with few steps. */
static void fill(const char *picture, const char *prompt) {
    choose(picture);
    wait_until("document.querySelectorAll('#thumbs li').length > 0");
    page_type(&browser, "#prompt", prompt);
}

static void edit(const char *picture, const char *prompt) {
    fill(picture, prompt);
    click("#edit");
}

static void test_viewer(void **state) {
    (void)state;
    open_stand_in(NULL);
    json_decref(page_eval(&browser, "size.value = 'input', format.value = 'webp'"));
    edit(COFFEE, "tint it blue");
    wait_until(STAGE("done") " && after.naturalWidth > 0");
    assert_true(is("after.naturalWidth === 600 && after.naturalHeight === 400"));
    assert_true(is("download.download.endsWith('.webp')"));
    const char *now = "handle.getAttribute('aria-valuenow')";
    char value[40];
    json_decref(page_eval(&browser, "handle.focus(), 0"));
    press("ArrowRight");
    press("ArrowRight");
    page_text(&browser, now, value, sizeof value);
    assert_string_equal(value, "54");
    press("PageDown");
    page_text(&browser, now, value, sizeof value);
    assert_string_equal(value, "44");
    has_text("zoom-level", "100%");
    assert_true(is("handle.getAttribute('aria-valuetext') === '44% before, 56% after'"));
    press("Home");
    assert_true(is("getComputedStyle(before).clipPath.startsWith('inset(-1px 100% ')"));
    press("End");
    assert_true(is("getComputedStyle(before).clipPath.startsWith('inset(-1px 0% ')"));
    page_drag(&browser, "#compare", 0, 0); /* a click in the middle brings it there */
    page_text(&browser, now, value, sizeof value);
    assert_string_equal(value, "50");
    page_drag(&browser, "#handle", -150, 0);
    assert_true(is("Number(handle.getAttribute('aria-valuenow')) < 40"));

    click("#zoom-in");
    press("+"); /* not in the slider: nothing */
    has_text("zoom-level", "150%");
    json_decref(page_eval(&browser, "handle.focus(), window.line = handle.style.left, 0"));
    press("+");
    has_text("zoom-level", "225%");
    json_decref(page_eval(&browser, "window.at = layers.style.transform, 0"));
    page_drag(&browser, "#after", 60, 40); /* moves the picture, and not the line */
    assert_true(is("layers.style.transform !== at"));
    assert_true(is("Number(handle.getAttribute('aria-valuenow')) < 40"));
    page_screenshot(&browser, "desktop-zoomed");
    press("0");
    has_text("zoom-level", "100%");
    assert_true(is("document.querySelector('#zoom-out').disabled"));

    click("#use-input");
    wait_until(STAGE("input"));
    assert_true(is("document.querySelectorAll('#thumbs li').length === 1"));
    assert_true(is("document.querySelector('#thumbs img').alt.includes('coffee-tint-it-blue')"));
    click(".shot");
    wait_until(STAGE("done"));
    click("#use-settings");
    wait_until(
        "document.querySelector('#seed').value === facts.textContent.match(/Seed(\\d+)/)[1]");
    page_is_quiet(&browser, NULL);
    stop_server();
}

static void test_pictures(void **state) {
    (void)state;
    open_stand_in(NULL);
    page_files(&browser, "#files", (const char *const[]){CAT, ROCKET, COFFEE, NULL});
    wait_until("document.querySelectorAll('#thumbs li').length === 3");
    const char *order =
        "[...document.querySelectorAll('#thumbs img')].map((i) => i.alt.slice(11, -4)).join(' ')";
    char names[80];
    inspect("desktop-three");
    assert_true(is("!document.querySelector('#drop').checkVisibility()"));
    click("#thumbs li:nth-child(1) .later");
    page_text(&browser, order, names, sizeof names);
    assert_string_equal(names, "rocket cat coffee");
    press("Enter"); /* the focus went along */
    page_text(&browser, order, names, sizeof names);
    assert_string_equal(names, "rocket coffee cat");
    click("#thumbs li:nth-child(2) .remove");
    page_text(&browser, order, names, sizeof names);
    assert_string_equal(names, "rocket cat");
    assert_true(is("document.activeElement.matches('#thumbs li:nth-child(2) .remove')"));
    page_files(&browser, "#files", (const char *const[]){CAT, CAT, NULL});
    wait_until(SAYS("pictures-error", "at most 3 pictures"));
    page_is_quiet(&browser, NULL);

    /* Dropped and pasted ones arrive as this. */
    click("#thumbs .remove");
    click("#thumbs .remove");
    json_decref(page_eval(
        &browser,
        "(async () => { const data = new DataTransfer();"
        "const blob = await (await fetch('/favicon.svg')).blob();"
        "const canvas = Object.assign(document.createElement('canvas'), {width: 9, height: 8});"
        "const png = await new Promise((r) => canvas.toBlob(r));"
        "data.items.add(new File([png], 'drawn.png'));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}));"
        "const wrong = new DataTransfer(); wrong.items.add(new File([blob], 'icon.png'));"
        "document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: wrong, bubbles: true}));"
        "})()"));
    wait_until("document.querySelectorAll('#thumbs li').length === 2");
    wait_until(SAYS("pictures-error", "image 3 is in no supported format"));
    stop_server();
}

static const char *scratch_file(const char *name, const void *bytes, size_t size) {
    const char *path = in_folder(scratch, name);
    write_bytes(path, bytes, size);
    return path;
}

static void test_wrong_files(void **state) {
    (void)state;
    static const unsigned char half[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0";
    open_stand_in(NULL);
    click("#edit");
    assert_true(is(SAYS("pictures-error", "Choose a picture first.")));
    assert_true(is("document.activeElement.id === 'files'"));
    choose(scratch_file("notes.png", "no picture", 10));
    wait_until(SAYS("pictures-error", "is in no supported format: send PNG, JPEG or WebP"));
    assert_true(is("document.querySelectorAll('#thumbs li').length === 0"));
    inspect("desktop-wrong-file");
    choose(CAT);
    wait_until("!(" SAYS("pictures-error", "format") ")");
    click("#edit");
    assert_true(is(SAYS("prompt-error", "Say what to change.")));
    click("#thumbs .remove");
    page_is_quiet(&browser, NULL);

    edit(scratch_file("half.png", half, sizeof half - 1), "night");
    wait_until(STAGE("failed"));
    has_text("failed-text", "image 1");
    assert_true(is("!again.checkVisibility()")); /* it would be refused again */
    assert_true(
        is("/^Request [0-9a-f]{32}$/.test(document.getElementById('failed-id').textContent)"));
    inspect("desktop-failed");
    page_is_quiet(&browser, "400 (");
    click("#thumbs .remove");
    edit(CAT, "fail=not-finite"); /* in the engine, after the job was taken */
    wait_until(SAYS("failed", "Request"));
    page_is_quiet(&browser, NULL);
    click("#again");
    wait_until(STAGE("failed"));
    stop_server();
}

/* What is said of an edit that did nothing; a model that takes one picture. */
static void test_note(void **state) {
    (void)state;
    open_stand_in((const char *const[]){"FAKE_NOTE=It mirrors.", "FAKE_MAX_PICTURES=1", NULL});
    wait_until("!document.querySelector('#several').checkVisibility()");
    edit(CAT, "change=0.0042");
    wait_until(STAGE("done"));
    assert_true(is(SAYS("note", "Hardly anything changed. It mirrors.")));
    has_text("facts", "0.42 %");
    inspect("desktop-unchanged");
    page_type(&browser, "#prompt", "night");
    click("#edit");
    wait_until(SAYS("facts", "50 %"));
    assert_true(is("!document.querySelector('#note').checkVisibility()"));
    choose(CAT);
    wait_until(SAYS("pictures-error", "at most 1 picture."));
    page_is_quiet(&browser, NULL);
    stop_server();
}

/* What somebody typed comes back when a click has replaced it. */
static void test_undo(void **state) {
    (void)state;
    static const char *const value = "document.querySelector('#prompt').value";
    char text[80];
    open_stand_in(NULL);
    wait_until("document.querySelectorAll('#examples button').length === 2");
    page_type(&browser, "#prompt", "my own words");
    click("#examples button");
    page_text(&browser, value, text, sizeof text);
    assert_string_equal(text, "make it a \"stand-in\"");
    json_decref(page_eval(&browser, "document.execCommand('undo')"));
    page_text(&browser, value, text, sizeof text);
    assert_string_equal(text, "my own words");
    stop_server();
}

/* "Use these settings" brings the picture, or says which it cannot bring. */
static void test_settings_with_pictures(void **state) {
    (void)state;
    open_stand_in(NULL);
    edit(CAT, "one");
    wait_until("document.querySelectorAll('#strip li').length === 1");
    click("#thumbs .remove");
    wait_until(STAGE("empty"));
    click(".shot");
    click("#use-settings");
    wait_until("document.querySelector('#thumbs img')?.alt.includes('cat.jpg')");
    assert_true(is("document.querySelector('#prompt').value === 'one'"));
    assert_true(is("document.querySelector('#pictures-error').textContent === ''"));
    choose(ROCKET);
    wait_until("document.querySelectorAll('#thumbs li').length === 2");
    page_type(&browser, "#prompt", "two");
    click("#edit");
    wait_until("document.querySelectorAll('#strip li').length === 2");
    click("#use-settings");
    wait_until(SAYS("pictures-error", "Only the last of the 2 pictures is kept here"));
    assert_true(is("document.querySelector('#thumbs img').alt.includes('rocket.jpg')"));
    json_decref(page_eval(
        &browser, "new Promise((done) => { const open = indexedDB.open('firered', 1);"
                  "open.onsuccess = () => { const store = open.result.transaction('edits',"
                  "'readwrite').objectStore('edits'); store.getAll().onsuccess = (event) =>"
                  "event.target.result.forEach((edit) => store.put({...edit, before: null}));"
                  "store.transaction.oncomplete = () => (open.result.close(), done(0)); }; })"));
    open_page();
    wait_until("document.querySelectorAll('.shot').length === 2");
    click(".shot");
    click("#use-settings");
    wait_until(SAYS("pictures-error", "The picture is not here any more"));
    assert_true(is("document.querySelector('#prompt').value === 'two'"));
    page_is_quiet(&browser, NULL);
    stop_server();
}

/* A cut-out before and after: what is transparent lies on white, and nothing shows through. */
static void test_transparent(void **state) {
    (void)state;
    open_stand_in(NULL);
    json_decref(page_eval(
        &browser,
        "(async () => { const data = new DataTransfer();"
        "const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 64});"
        "data.items.add(new File([await new Promise((r) => canvas.toBlob(r))], 'cut-out.png'));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data})); })()"));
    wait_until("document.querySelectorAll('#thumbs li').length === 1");
    page_type(&browser, "#prompt", "night");
    click("#edit");
    wait_until(STAGE("done") " && before.complete && before.naturalWidth === 64");
    assert_true(is("[before, after].every((e) => getComputedStyle(e).backgroundColor ==="
                   "'rgb(255, 255, 255)' && getComputedStyle(e).opacity === '1')"));
    assert_true(is("before.getBoundingClientRect().width === "
                   "after.getBoundingClientRect().width"));
    page_screenshot(&browser, "desktop-transparent");
    stop_server();
}

static void test_cancel(void **state) {
    (void)state;
    open_stand_in((const char *const[]){"MAX_CONCURRENT_JOBS=1", NULL});
    edit(CAT, "hold=never");
    wait_until(STAGE("running"));
    server_wait_metric(&server, "firered_edits_running", 1);
    click("#cancel");
    wait_until(STAGE("input"));
    server_wait_metric(&server, "firered_edits_running", 0);
    assert_true(is("document.activeElement.id === 'edit'"));

    /* At once, and just when the job's id has come. */
    json_decref(page_eval(&browser, "edit.click(), cancel.click(), 0"));
    wait_until(STAGE("input"));
    server_wait_metric(&server, "firered_edits_running", 0);
    json_decref(page_eval(&browser, "Storage.prototype.setItem = () => cancel.click(), 0"));
    click("#edit");
    wait_until(STAGE("input"));
    server_wait_metric(&server, "firered_edits_running", 0);
    assert_true(is("document.querySelectorAll('#strip li').length === 0"));
    page_is_quiet(&browser, NULL);
    stop_server();
}

/* The place in the queue is told, and is left with a click. */
static void test_queue(void **state) {
    (void)state;
    struct form f;
    struct answer a;
    open_stand_in((const char *const[]){"MAX_CONCURRENT_JOBS=1", NULL});
    for (int i = 0; i < 2; i++) {
        form_edit(&f, "hold=first", NULL);
        form_raw(&f, "");
        http_request(&server, "POST", "/v1/jobs",
                     "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n", f.body.data,
                     f.body.size, &a);
        assert_int_equal(a.status, 202);
        answer_free(&a);
        form_free(&f);
    }
    edit(CAT, "night");
    wait_until(SAYS("doing", "Number 2 in the queue"));
    server_release(&server, "first");
    wait_until(STAGE("done"));
    page_is_quiet(&browser, NULL);
    stop_server();
}

static void test_key(void **state) {
    (void)state;
    serve(NULL, (const char *const[]){"API_KEY=sesame", NULL});
    page_new(&browser);
    open_page();
    wait_until("document.querySelector('#key-dialog').open");
    assert_true(is("document.activeElement.id === 'key'"));
    inspect("desktop-key");
    page_type(&browser, "#key", "barley");
    press("Enter");
    wait_until(SAYS("key-error", "That key is not the one."));
    page_type(&browser, "#key", "sesame");
    press("Enter");
    wait_until("document.querySelectorAll('#examples button').length > 0");
    assert_true(is("!document.querySelector('#key-dialog').open"));
    edit(CAT, "night"); /* the events and the picture need it too */
    wait_until(STAGE("done") " && after.complete && after.naturalWidth > 0");
    open_page(); /* the same tab still has it */
    wait_until("document.querySelectorAll('#examples button').length > 0");
    assert_true(is("localStorage.length === 0 && !document.cookie"));
    page_is_quiet(&browser, "401 (");
    click("#change-key");
    wait_until("document.querySelector('#key-dialog').open");
    press("Escape");
    wait_until("!document.querySelector('#key-dialog').open");
    edit(CAT, "night");
    wait_until("document.querySelector('#key-dialog').open");
    click("#key-cancel");
    wait_until(STAGE("failed"));
    has_text("failed-text", "send the server's key");
    stop_server();
}

static void test_history(void **state) {
    (void)state;
    open_stand_in(NULL);
    edit(CAT, "the first");
    wait_until(STAGE("done") " && document.querySelectorAll('#strip li').length === 1");
    page_type(&browser, "#prompt", "the second <b>one</b>");
    click("#edit");
    wait_until("document.querySelectorAll('#strip li').length === 2");
    open_page();
    wait_until("document.querySelectorAll('#strip li').length === 2");
    assert_true(is("document.querySelector('.shot img').alt === 'the second <b>one</b>'"));
    click("#strip li:nth-child(2) .shot");
    wait_until(STAGE(
        "done") " && after.complete && after.naturalWidth > 0 && before.naturalWidth === 451");
    has_text("facts", "the first");
    click("#strip li:nth-child(1) .remove");
    wait_until("document.querySelectorAll('#strip li').length === 1");
    click("#clear");
    wait_until("document.querySelector('#clear-dialog').open");
    click("#clear-dialog button[value='']");
    wait_until("!document.querySelector('#clear-dialog').open");
    wait_until("document.querySelectorAll('#strip li').length === 1");
    click("#clear");
    click("#clear-dialog button[value=clear]");
    wait_until("!document.querySelector('#history').checkVisibility()");
    open_page();
    wait_until("document.querySelectorAll('#examples button').length > 0");
    assert_true(is("document.querySelectorAll('#strip li').length === 0"));
    page_is_quiet(&browser, NULL);
    stop_server();
}

/* The page has the picture: the server need not keep it any more. */
static void wait_forgotten(const char *path) {
    int64_t until = now_ms() + BROWSER_SECONDS * 1000;
    for (int status = 200; status != 404; sleep_ms(5)) {
        struct answer a;
        assert_true(now_ms() < until);
        http_get(&server, path, &a);
        status = a.status;
        answer_free(&a);
    }
}

/* A job does not depend on the page: a reloaded one goes on with it. */
static void test_reload(void **state) {
    (void)state;
    char path[100];
    open_stand_in(NULL);
    edit(CAT, "hold=reload");
    server_wait_metric(&server, "firered_edits_running", 1);
    wait_until("sessionStorage.getItem('firered.job')");
    page_text(&browser, "'/v1/jobs/' + JSON.parse(sessionStorage.getItem('firered.job')).id", path,
              sizeof path);
    open_page();
    wait_until(STAGE("running"));
    server_release(&server, "reload");
    wait_until(STAGE("done") " && before.complete && before.naturalWidth === 451");
    has_text("facts", "hold=reload");
    wait_until("!sessionStorage.getItem('firered.job')");
    wait_forgotten(path);
    stop_server();
}

/* The inputs of edits under way lie in one place for all tabs: each forgets its own, and what was left
 * there a day ago. */
static void test_two_tabs(void **state) {
    (void)state;
    static const char keys[] = "new Promise((done) => { const open = indexedDB.open('firered', 1);"
                               "open.onsuccess = () => open.result.transaction('jobs')"
                               ".objectStore('jobs').getAllKeys().onsuccess = (event) =>"
                               "(open.result.close(), done(event.target.result.map(([, id]) => id)"
                               ".join(' '))); })";
    char left[200];
    open_stand_in(NULL);
    edit(CAT, "hold=tabs");
    wait_until("sessionStorage.getItem('firered.job')");
    json_decref(page_eval(
        &browser, "new Promise((done) => { const open = indexedDB.open('firered', 1);"
                  "open.onsuccess = () => { const store = open.result.transaction('jobs',"
                  "'readwrite').objectStore('jobs'); store.put(new Blob(), [Date.now(), 'other']);"
                  "store.put(new Blob(), [Date.now() - 9e7, 'old']); store.transaction.oncomplete ="
                  "() => (open.result.close(), done(0)); }; })"));
    server_release(&server, "tabs");
    wait_until(STAGE("done") " && !sessionStorage.getItem('firered.job')");
    do page_text(&browser, keys, left, sizeof left);
    while (strcmp(left, "other") != 0 && strstr(left, "other"));
    assert_string_equal(left, "other");
    page_is_quiet(&browser, NULL);
    stop_server();
}

/* A reloaded page has no form to send again. */
static void test_failure_after_a_reload(void **state) {
    (void)state;
    open_stand_in(NULL);
    edit(CAT, "hold=failing fail=not-finite");
    wait_until("sessionStorage.getItem('firered.job')");
    open_page();
    wait_until(STAGE("running"));
    server_release(&server, "failing");
    wait_until(STAGE("failed"));
    has_text("failed-text", "no picture (NaN)");
    assert_true(is("!again.checkVisibility()"));
    stop_server();
}

/* The server goes while an edit runs; another comes, which knows nothing of it. */
static void test_restart(void **state) {
    (void)state;
    char port[24];
    open_stand_in(NULL);
    snprintf(port, sizeof port, "PORT=%d", server.port);
    edit(CAT, "hold=never");
    server_wait_metric(&server, "firered_edits_running", 1);
    wait_until(SAYS("doing", "Editing"));
    server_stop(&server, SIGKILL);
    wait_until(SAYS("doing", "Connection lost"));
    page_screenshot(&browser, "desktop-lost");
    server_start_ready(&server, (const char *const[]){port, NULL});
    wait_until(STAGE("failed"));
    has_text("failed-text", "it was restarted");
    page_type(&browser, "#prompt", "night");
    click("#edit");
    wait_until(STAGE("done"));
    stop_server();
    click("#edit"); /* nobody is there at all */
    wait_until(STAGE("failed"));
    has_text("failed-text", "cannot be reached");
}

/* The model is still loading when the page comes. */
static void test_loading(void **state) {
    (void)state;
    unsetenv("FIRERED_SERVER");
    server_start(&server, (const char *const[]){"FAKE_LOAD_HOLD=model", NULL});
    page_new(&browser);
    open_page();
    wait_until(SAYS("notice", "The model is loading."));
    server_release(&server, "model");
    wait_until("!document.querySelector('#notice').checkVisibility()");
    wait_until("document.querySelectorAll('#examples button').length === 2");
    page_is_quiet(&browser, NULL);
    stop_server();
}

static void test_phone(void **state) {
    (void)state;
    open_stand_in(NULL);
    page_size(&browser, 360, 740, true);
    inspect("phone-empty");
    page_dark(&browser, true);
    page_files(&browser, "#files", (const char *const[]){ROCKET, COFFEE, CAT, NULL});
    wait_until("document.querySelectorAll('#thumbs li').length === 3");
    page_type(&browser, "#prompt",
              "hold=phone and a long prompt that has to be wrapped somewhere, "
              "andonelongwordwithoutanyplacetobreakitinthemiddleofitself");
    click("#more summary");
    inspect("phone-form-dark");
    click("#edit");
    wait_until(STAGE("running"));
    inspect("phone-running-dark");
    server_release(&server, "phone");
    wait_until(STAGE("done") " && document.querySelectorAll('#strip li').length === 1");
    inspect("phone-done-dark");
    page_dark(&browser, false);
    inspect("phone-done");
    page_size(&browser, 768, 1024, true);
    inspect("tablet-done");
    page_is_quiet(&browser, NULL);
    stop_server();
}

/* Everything can be reached with the Tab key, in the order in which it is read. */
static void test_keyboard(void **state) {
    (void)state;
    static const char *const order[] = {"docs",    "tiny remove", "files",     "prompt",
                                        "chip",    "chip",        "SUMMARY",   "edit",
                                        "handle",  "download",    "use-input", "use-settings",
                                        "zoom-in", "clear",       "shot",      "tiny remove"};
    open_stand_in(NULL);
    edit(CAT, "night");
    wait_until(STAGE("done") " && document.querySelectorAll('#strip li').length === 1");
    json_decref(page_eval(&browser,
                          "document.activeElement.blur(), getSelection().removeAllRanges(),"
                          "document.querySelector('h1').setAttribute('tabindex', -1),"
                          "document.querySelector('h1').focus(), 0"));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        char at[60];
        press("Tab");
        page_text(
            &browser,
            "(({id, className, tagName}) => id || className || tagName)(document.activeElement)",
            at, sizeof at);
        if (strcmp(at, order[i]) != 0)
            fail_msg("Tab %zu leads to %s, not to %s", i + 1, at, order[i]);
        assert_true(is("getComputedStyle(document.activeElement).outlineStyle !== 'none' ||"
                       "['files', 'handle'].includes(document.activeElement.id)"));
    }
    page_screenshot(&browser, "desktop-focus");
    page_type(&browser, "#prompt", "fog");
    press("Tab");
    press("Enter"); /* an example, by keyboard */
    assert_true(is("document.querySelector('#prompt').value.includes('stand-in')"));
    stop_server();
}

/* The plain form goes to /edit, and the browser shows what comes back. */
static void test_scripts_off(void **state) {
    (void)state;
    serve(NULL, NULL);
    page_new(&browser);
    page_scripts(&browser, false);
    open_page();
    inspect("no-scripts");
    choose(ROCKET);
    page_type(&browser, "#prompt", "night");
    json_decref(page_eval(&browser, "document.querySelector('#size').value = 'input'"));
    click("#edit");
    wait_until("document.contentType === 'image/png' && document.images[0].naturalWidth > 0");
    char size[40];
    page_text(&browser,
              "document.images[0].naturalWidth + ' x ' + document.images[0].naturalHeight", size,
              sizeof size);
    assert_string_equal(size, "640 x 427");
    stop_server();
}

int main(void) {
    if (!browser_is_installed()) {
        print_message("chromium is not installed: scripts/setup.sh tests\n");
        return 77;
    }
    scratch = temporary_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_viewer),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_note),
        cmocka_unit_test(test_undo),
        cmocka_unit_test(test_settings_with_pictures),
        cmocka_unit_test(test_transparent),
        cmocka_unit_test(test_two_tabs),
        cmocka_unit_test(test_failure_after_a_reload),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_loading),
        cmocka_unit_test(test_phone),
        cmocka_unit_test(test_keyboard),
        cmocka_unit_test(test_scripts_off),
    };
    browser_start(&browser);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    browser_stop(&browser);
    remove_folder(scratch);
    return failed;
}

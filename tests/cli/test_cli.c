/*
 * The program's commands from outside: exit status, and the one sentence that a mistake gets.
 */
#include "support/unit_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "config/options.h"
#include "image/decode.h"
#include "support/child.h"
#include "support/files.h"

static struct child c;

static void run(const char *const *words) {
    child_start(&c, FAKE_PROGRAM, words);
    child_wait(&c);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("no \"%s\" in: %s", part, text);
}

static void assert_refused(int status, const char *sentence) {
    assert_string_equal(c.err, sentence);
    assert_int_equal(c.status, status);
    assert_string_equal(c.out, "");
}

static const char *report(void) {
    static char text[16384];
    text_from_file("report", text, sizeof text);
    return text;
}

static void test_front(void **state) {
    (void)state;
    RUN("--help");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "usage: firered COMMAND");
    RUN("--version");
    assert_int_equal(c.status, 0);
    assert_string_equal(c.out, "firered " FIRERED_VERSION "\n");
    RUN(NULL);
    assert_int_equal(c.status, 2);
    assert_has(c.err, "usage: firered COMMAND");
    RUN("sreve");
    assert_refused(
        2, "firered: unknown command 'sreve': did you mean serve? (firered --help lists all)\n");
    RUN("--sreve");
    assert_int_equal(c.status, 2);
    RUN("draw");
    assert_refused(2, "firered: unknown command 'draw': firered --help lists all\n");
    RUN("");
    assert_refused(2, "firered: unknown command '': firered --help lists all\n");
}

static void test_helps(void **state) {
    (void)state;
    static const char *const commands[] = {"serve", "edit", "info", "decode", "health", "bench",
                                           "eval",  "pull", "list", "rm",     "verify"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: firered %s", commands[i]);
        RUN(commands[i], "--help");
        assert_int_equal(c.status, 0);
        assert_has(c.out, usage);
        assert_string_equal(c.err, "");
        RUN(commands[i], "-h");
        assert_int_equal(c.status, 0);
        RUN(commands[i], "--frobnicate");
        assert_int_equal(c.status, 2);
        assert_has(c.err, "unknown flag --frobnicate: ");
        RUN(commands[i], "stray");
        if (strcmp(commands[i], "info") == 0) continue; /* the name of a picture */
        assert_int_equal(c.status, 2);
        if (strcmp(commands[i], "decode") == 0) continue; /* takes two files */
        bool takes_an_id = strcmp(commands[i], "pull") == 0 || strcmp(commands[i], "rm") == 0 ||
                           strcmp(commands[i], "verify") == 0;
        assert_has(c.err, takes_an_id ? "\"stray\" is no id of the form ORG/NAME[@REV]"
                                      : "unexpected argument 'stray': ");
    }
}

/* A terminal has 80 columns and 24 lines, and the prompt takes the last one. */
static void test_helps_fit_a_screen(void **state) {
    (void)state;
    static const char *const words[] = {"",       "serve",  "edit",  "info",
                                        "decode", "health", "bench", "eval"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        int lines = 0;
        if (*words[i])
            RUN(words[i], "--help");
        else
            RUN("--help");
        for (const char *line = c.out; *line; lines++) {
            size_t width = strcspn(line, "\n");
            if (width > 80) fail_msg("%s: %.*s", words[i], (int)width, line);
            line += width + 1;
        }
        if (lines > 23) fail_msg("%s --help has %d lines", words[i], lines);
    }
    RUN("help", "edit");
    assert_has(c.out, "usage: firered edit");
    RUN("help", "settings");
    assert_has(c.out, "MAX_QUEUE");
    RUN("help", "draw");
    assert_int_equal(c.status, 2);
}

static void complete(const char *words, int at) {
    char script[512];
    snprintf(script, sizeof script,
             "source " SOURCE_ROOT "/completions/firered.bash; COMP_WORDS=(" FAKE_PROGRAM " %s); "
             "COMP_CWORD=%d; _firered; printf '%%s\n' \"${COMPREPLY[@]}\"",
             words, at);
    child_start(&c, "/bin/bash", (const char *const[]){"-c", script, NULL});
    child_wait(&c);
    assert_int_equal(c.status, 0);
}

static void test_completion(void **state) {
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        char line[OPTION_FLAG_SIZE + 4], flag[OPTION_FLAG_SIZE];
        if (i == 0) complete("serve --", 2);
        option_flag(&option_table[i], flag);
        snprintf(line, sizeof line, "--%s\n", flag);
        if (option_table[i].commands & OPTION_SERVE) assert_has(c.out, line);
    }
    complete("edit --gui", 2);
    assert_string_equal(c.out, "--guidance-scale\n");
    complete("edit --dtype f", 3);
    assert_string_equal(c.out, "float32\n");
    complete("e", 1);
    assert_string_equal(c.out, "edit\neval\n");
    complete("help se", 2);
    assert_string_equal(c.out, "serve\nsettings\n");
    assert_int_equal(system("touch out/picture.png"), 0);
    complete("edit --image out/p", 3);
    assert_string_equal(c.out, "out/picture.png\n");
    complete("info out/p", 2);
    assert_string_equal(c.out, "out/picture.png\n");
    complete("edit --prompt x", 3);
    assert_string_equal(c.out, "\n");
}

/* Every flag of every command is in its section of the manual, or among the settings. */
static void test_manual(void **state) {
    (void)state;
    static const char *const commands[] = {"serve", "edit", "info", "health", "bench", "eval",
                                           "pull",  "list", "rm",   "verify", "decode"};
    static char manual[65536], part[65536];
    text_from_file(SOURCE_ROOT "/docs/man/firered.1", manual, sizeof manual);
    const char *settings = strstr(manual, "settings: begin");
    assert_non_null(settings);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        RUN("flags", commands[i]);
        assert_int_equal(c.status, 0);
        assert_has(c.out, "--help");
        snprintf(part, sizeof part, ".SS %s\n", commands[i]);
        const char *from = strstr(manual, part);
        if (!from) fail_msg("%s has no section", commands[i]);
        const char *to = strstr(from + 1, "\n.S"); /* of the next section */
        snprintf(part, sizeof part, "%.*s%s", (int)(to - from), from, settings);
        for (char *rest = NULL, *line = strtok_r(c.out, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
            struct buffer roff = {0};
            line[strcspn(line, " ")] = '\0';
            if (strcmp(line, "--help") == 0 || line[0] != '-') continue;
            for (const char *p = line; *p; p++)
                assert_int_equal(buffer_printf(&roff, *p == '-' ? "\\-" : "%c", *p), STATUS_OK);
            assert_has(part, roff.data);
            buffer_free(&roff);
        }
    }
    if (system("command -v man > /dev/null") != 0) {
        print_message("no man here: the manual's form is not checked\n");
        return;
    }
    assert_int_equal(system("LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l " SOURCE_ROOT
                            "/docs/man/firered.1 > /dev/null 2> out/warnings"),
                     0);
    text_from_file("out/warnings", manual, sizeof manual);
    assert_string_equal(manual, "");
}

static void test_serve(void **state) {
    (void)state;
    setenv("API_KEY", "sesame", 1);
    RUN("serve", "--model", "m", "--port", "8123");
    assert_int_equal(c.status, 0);
    assert_string_equal(report(), "serve model=m name=m host=0.0.0.0 port=8123 key=sesame\n");
    assert_has(c.err, "\"event\":\"configuration\"");
    assert_null(strstr(c.err, "sesame"));
    assert_null(strstr(c.err, "demo"));
}

/* Without standard descriptors, what is opened first must not take their place and be written to. */
static void test_closed_descriptors(void **state) {
    (void)state;
    child_start(&c, "/bin/bash",
                (const char *const[]){
                    "-c",
                    "MODEL_ID=" TEST_DATA "/tiny-edit/model HOST=127.0.0.1 PORT=0 \"$0\" serve "
                    "0<&- 1>&- 2>&- & "
                    "for i in {1..500}; do [ -e /proc/$!/fd/5 ] && break; sleep 0.02; done; "
                    "readlink /proc/$!/fd/0 /proc/$!/fd/1 /proc/$!/fd/2; kill $!; wait $!; echo $?",
                    FIRERED_PROGRAM, NULL});
    child_wait(&c);
    assert_string_equal(c.out, "/dev/null\n/dev/null\n/dev/null\n0\n");
}

static void test_serve_refuses(void **state) {
    (void)state;
    RUN("serve", "--port", "70000");
    assert_refused(
        2, "firered serve: PORT=70000 (from --port): must be a whole number from 0 to 65535\n");
    setenv("DTYPE", "int4", 1);
    RUN("serve");
    assert_refused(2, "firered serve: DTYPE=int4 (from the environment): must be auto, float32, "
                      "bfloat16 or int8\n");
    unsetenv("DTYPE");
    RUN("serve", "--model", "m", "--port", "1");
    assert_int_equal(c.status, 1);
    assert_has(c.err, "firered serve: port 1 is taken\n");
    assert_string_equal(c.out, "");
}

static void test_model_rule(void **state) {
    (void)state;
    RUN("serve");
    assert_int_equal(c.status, 0);
    assert_has(report(), "name=demo ");
    assert_has(c.err, "running the small demo model");
    assert_has(c.err, "FireRedTeam/FireRed-Image-Edit-1.0 is not in the local cache");

    unlink("report");
    RUN("serve", "--model", "demo"); /* asked for: nothing to explain */
    assert_has(report(), "name=demo ");
    assert_null(strstr(c.err, "running the small"));

    unlink("report");
    RUN("serve", "--model", "Some/Other-Model"); /* fetched, */
    assert_has(report(), "model=fetched name=Some/Other-Model ");
    unlink("report");
    RUN("serve", "--pull", "never", "--model",
        "Some/Other-Model"); /* never replaced by another one */
    assert_int_equal(c.status, 1);
    assert_string_equal(report(), "");
    assert_has(c.err, "firered serve: ");
    assert_has(c.err, "Some/Other-Model");

    setenv("MODEL_ID", "./m/", 1);
    RUN("serve");
    assert_has(report(), "name=m ");
}

static void test_default_model_in_cache(void **state) {
    (void)state;
    const char *snapshot =
        "mkdir -p hub/models--FireRedTeam--FireRed-Image-Edit-1.0/snapshots/main";
    assert_int_equal(system(snapshot), 0);
    RUN("serve", "--hf-home", ".");
    assert_int_equal(c.status, 0);
    assert_has(report(), "snapshots/main name=FireRedTeam/FireRed-Image-Edit-1.0 ");
    assert_null(strstr(c.err, "demo"));
    assert_int_equal(system("rm -r hub"), 0);
}

static void test_info(void **state) {
    (void)state;
    RUN("info", "--model", "m");
    assert_int_equal(c.status, 0);
    assert_string_equal(c.out, "a fake report\n");
    assert_string_equal(c.err, "");
    RUN("info");
    assert_int_equal(c.status, 0);
    assert_has(c.err, "running the small demo model");
    RUN("info", "--model", "./broken");
    assert_refused(1, "firered info: transformer/config.json is missing from the model folder\n");
    RUN("info", "--model", "/nowhere");
    assert_int_equal(c.status, 1);
    RUN("info", "--port", "1");
    assert_int_equal(c.status, 2);
}

static void test_info_of_a_picture(void **state) {
    (void)state;
    RUN("edit", "--model", "m", "--image", TEST_DATA "/decode/rgb.png", "--prompt",
        "night\n\x1b[31m", "--seed", "18446744073709551615", "--output", "out/a.png");
    assert_int_equal(c.status, 0);
    RUN("info", "out/a.png");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "out/a.png: PNG, 64x64\n");
    assert_has(c.out, "prompt          night  [31m\n"); /* nothing that a terminal obeys */
    assert_has(c.out, "negative_prompt \x20\n");
    assert_has(c.out, "seed            18446744073709551615\n");
    RUN("info", "out/a.png", "--json");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "\"format\": \"PNG\", \"width\": 64, \"height\": 64, \"texts\": {");
    assert_has(c.out, "\"prompt\": \"night\\n\\u001B[31m\"");
    RUN("info", TEST_DATA "/decode/q80-s2.jpg");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "q80-s2.jpg: JPEG, 53x37\nIt does not tell how it was made.\n");
    RUN("info", "none.png");
    assert_refused(1, "firered info: cannot open none.png: No such file or directory\n");
    RUN("info", "m", "--json", "extra");
    assert_int_equal(c.status, 2);
    RUN("info", "--model", "m", "--json");
    assert_string_equal(c.out, "{\"model\": \"m\", \"report\": [\"a fake report\"]}\n");
}

static void test_decode(void **state) {
    (void)state;
    struct picture p;
    RUN("decode", TEST_DATA "/pictures/turned-6.png", "out/seen.png", "--json");
    assert_int_equal(c.status, 0);
    assert_string_equal(c.out,
                        "{\"format\": \"PNG\", \"width\": 36, \"height\": 48, \"orientation\": 6, "
                        "\"colours\": \"kept\", \"notes\": []}\n");
    struct buffer file = read_bytes("out/seen.png");
    assert_int_equal(picture_decode(&p, file.data, file.size, 1 << 20, NULL), STATUS_OK);
    assert_true(p.width == 36 && p.height == 48);
    picture_free(&p);
    buffer_free(&file);

    RUN("decode", TEST_DATA "/pictures/icc-p3.png", "out/seen.png");
    assert_int_equal(c.status, 1);
    assert_has(c.err, "out/seen.png is there already");
    RUN("decode", TEST_DATA "/pictures/icc-p3.png", "out/seen.png", "--force");
    assert_string_equal(c.out, "PNG, 48x36, orientation 1, colours converted to sRGB\n");
    RUN("decode", TEST_DATA "/pictures/icc-p3.png", "out/seen.png", "--force", "--color-profiles",
        "ignore");
    assert_string_equal(c.out, "PNG, 48x36, orientation 1, colours as they are stored\n");
    RUN("decode", TEST_DATA "/pictures/icc-broken.png", "out/seen.png", "--force", "--json");
    assert_has(c.out, "\"notes\": [\"the colour profile is broken and was ignored\"]");
    assert_has(c.err, "firered decode: note: the colour profile is broken and was ignored\n");
}

/* No file comes of it, and programs can tell why. */
static void test_decode_refuses(void **state) {
    (void)state;
    RUN("decode", TEST_DATA "/pictures/cut-rows.png", "out/seen.png", "--json");
    assert_int_equal(c.status, 1);
    assert_has(c.out, "{\"error\": \"invalid_image\", \"detail\": \"cannot use ");
    assert_has(c.err, "truncated");
    RUN("decode", TEST_DATA "/decode/bad-text.png", "out/seen.png", "--json");
    assert_has(c.out, "{\"error\": \"invalid_file\", \"detail\": \"cannot use ");
    RUN("decode", TEST_DATA "/decode/rgb.png", "out/seen.png", "--max-image-pixels", "100");
    assert_int_equal(c.status, 1);
    assert_has(c.err, "more than the 100 allowed");
    assert_int_equal(access("out/seen.png", F_OK), -1);
    RUN("decode", TEST_DATA "/decode/rgb.png");
    assert_int_equal(c.status, 2);
}

struct stand_in {
    int fd;
    const char *reply;
};

static void answer_once(void *arg) {
    const struct stand_in *s = arg;
    char request[512];
    int client = accept(s->fd, NULL, NULL);
    ssize_t n = recv(client, request, sizeof request, 0);
    if (n > 0) n = send(client, s->reply, strlen(s->reply), 0);
    close(client);
    if (n <= 0) _exit(1);
}

/* A server that answers one request with `reply`; returns the process, and its port. */
static pid_t serve_once(const char *reply, int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    pid_t pid = child_fork(answer_once, &(struct stand_in){fd, reply});
    close(fd);
    return pid;
}

static void check_health(const char *reply, int status) {
    char text[16];
    int port;
    pid_t server = serve_once(reply, &port);
    snprintf(text, sizeof text, "%d", port);
    RUN("health", "--json", "--port", text);
    assert_int_equal(c.status, status);
    assert_int_equal(child_end(server, 10), 0);
}

static void test_health(void **state) {
    (void)state;
    check_health("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0);
    check_health("HTTP/1.1 503 Service Unavailable\r\n\r\n", 1);
    check_health("HTTP", 1);
    RUN("health", "--ready", "--port", "1");
    assert_int_equal(c.status, 1);
    check_health("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}", 0);
    assert_string_equal(c.out, "{\"status\":\"ok\"}\n");
    setenv("http_proxy", "http://127.0.0.1:2", 1); /* is not asked: the service is near */
    RUN("health", "--host", "127.0.0.1", "--port", "1");
    unsetenv("http_proxy");
    assert_int_equal(c.status, 1);
    assert_has(c.err, "firered health: no answer from http://127.0.0.1:1: ");
    RUN("health", "--host", "::", "--port", "1");
    assert_has(c.err, "firered health: no answer from http://[::1]:1: ");
}

static void test_env_file(void **state) {
    (void)state;
    assert_int_equal(system("echo 'PORT=\"80' > .env"), 0);
    RUN("serve");
    assert_refused(2, "firered serve: .env, line 1: PORT: the quote is not closed on its line\n");
    assert_int_equal(system("echo 'PORT=8200 # here' > .env"), 0);
    RUN("serve", "--model", "m");
    assert_has(report(), "port=8200 ");
}

/* Somebody else's .env stops nothing, and nothing in it is obeyed but by serve. */
static void test_foreign_env_file(void **state) {
    (void)state;
    write_text(".env", "# of another project\nDATABASE_URL=\"postgres://user:pa$$@db/x\nPORT=\"2\n"
                       "API_KEY=somebody-elses\njust a line\n");
    RUN("health", "--port", "1");
    assert_has(c.err, "firered health: no answer from http://127.0.0.1:1: ");
    assert_null(strstr(c.err, ".env"));
    write_text(".env", "DATABASE_URL=\"postgres://user:pa$$@db/x\nMODLE_ID=x\njust a line\n");
    RUN("serve", "--model", "m");
    assert_int_equal(c.status, 0);
    assert_has(
        c.err,
        "\"level\":\"warn\",\"event\":\"settings\",\"warning\":\".env, line 2: MODLE_ID is no "
        "setting: did you mean MODEL_ID?\"");
    assert_has(c.err, ".env: passed over what is no setting of firered (lines 1, 3)");
    setenv("PROT", "9", 1);
    RUN("health", "--port", "1");
    unsetenv("PROT");
    assert_has(c.err,
               "firered health: PROT (from the environment) is no setting: did you mean PORT?\n");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_front),
        TEST(test_helps),
        TEST(test_helps_fit_a_screen),
        TEST(test_completion),
        TEST(test_manual),
        TEST(test_decode),
        TEST(test_decode_refuses),
        TEST(test_info_of_a_picture),
        TEST(test_serve),
        TEST(test_closed_descriptors),
        TEST(test_serve_refuses),
        TEST(test_model_rule),
        TEST(test_default_model_in_cache),
        TEST(test_info),
        TEST(test_health),
        TEST(test_env_file),
        TEST(test_foreign_env_file),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}

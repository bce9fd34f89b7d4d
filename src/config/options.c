/*
 * The table.  Numbers have limits that no sensible use meets; they are there to catch a slip of
 * the keyboard before it becomes a machine that swaps.
 */
#include "config/options.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct choice dtypes[] = {{"auto", FIRERED_DTYPE_AUTO},
                                       {"float32", FIRERED_DTYPE_FLOAT32},
                                       {"bfloat16", FIRERED_DTYPE_BFLOAT16},
                                       {"int8", FIRERED_DTYPE_INT8},
                                       {0}};
static const struct choice generators[] = {
    {"cpu", FIRERED_GENERATOR_CPU}, {"cuda", FIRERED_GENERATOR_CUDA}, {0}};
static const struct choice color_profiles[] = {{"convert", 0}, {"ignore", 1}, {0}};
static const struct choice log_formats[] = {
    {"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}, {0}};
static const struct choice log_levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {0}};

static const struct choice pull_modes[] = {{"auto", PULL_AUTO}, {"never", PULL_NEVER}, {0}};

#define FIELD(name) offsetof(struct config, name)

const struct option option_table[] = {
    {"MODEL_ID", "model", OPTION_PATH, OPTION_MODEL, FIELD(model_id),
     .shown = "FireRedTeam/FireRed-Image-Edit-1.0", .takes = "ID|FOLDER|demo",
     .help = "the model: a hub id, a folder in diffusers layout, or demo; unset and not in the "
             "cache: demo"},
    {"MAX_CONCURRENT_JOBS", NULL, OPTION_INT, OPTION_SERVE, FIELD(max_concurrent_jobs), "2",
     .min = 1, .max = 256, .help = "edits that run at the same time"},
    {"TIMEOUT_SECONDS", NULL, OPTION_REAL, OPTION_SERVE, FIELD(timeout_seconds), "120",
     .min = 0.001, .max = 86400,
     .help = "from a request's arrival to the end of inference, waiting in the queue included"},
    {"DEFAULT_STEPS", NULL, OPTION_INT, OPTION_SERVE | OPTION_EDIT_DEFAULTS, FIELD(default_steps),
     .shown = "28", .min = 1, .max = FIRERED_MAX_STEPS,
     .help = "steps when the request has none; unset: the model's own default, else 28"},
    {"DEFAULT_GUIDANCE", NULL, OPTION_REAL, OPTION_SERVE | OPTION_EDIT_DEFAULTS,
     FIELD(default_guidance), .shown = "7.0", .min = 0, .max = FIRERED_MAX_GUIDANCE,
     .help = "guidance_scale when the request has none; unset: the model's own default, else 7.0"},
    {"HOST", NULL, OPTION_HOST, OPTION_SERVE | OPTION_HEALTH, FIELD(host), "0.0.0.0",
     .help = "the address to listen on; 0.0.0.0 is every one, IPv6 too where the machine has it"},
    {"PORT", NULL, OPTION_INT, OPTION_SERVE | OPTION_HEALTH, FIELD(port), "7000", .min = 0,
     .max = 65535, .help = "the port to listen on; 0: any that is free"},
    {"MAX_QUEUE", NULL, OPTION_INT, OPTION_SERVE, FIELD(max_queue), "64", .min = 0, .max = 100000,
     .help = "edits that may wait; one more is refused with 503 queue_full"},
    {"MAX_UPLOAD_MB", NULL, OPTION_INT, OPTION_SERVE, FIELD(max_upload_mb), "32", .min = 1,
     .max = 4096, .help = "largest request body, in MiB"},
    {"MAX_IMAGE_PIXELS", NULL, OPTION_INT64, OPTION_RUN | OPTION_DECODE, FIELD(max_image_pixels),
     "64000000", .min = 1, .max = 4294967296.0,
     .help = "largest picture, width x height, checked before any pixel is decoded"},
    {"COLOR_PROFILES", NULL, OPTION_CHOICE, OPTION_RUN | OPTION_DECODE, FIELD(ignore_profiles),
     "convert", .choices = color_profiles,
     .help = "convert: pictures become sRGB by what they carry; ignore: their bytes are taken as "
             "they are, as the reference does"},
    {"MAX_STEPS", NULL, OPTION_INT, OPTION_SERVE, FIELD(max_steps), "100", .min = 1,
     .max = FIRERED_MAX_STEPS, .help = "most steps that a request may ask for"},
    {"RESULT_TTL_SECONDS", NULL, OPTION_REAL, OPTION_SERVE, FIELD(result_ttl_seconds), "600",
     .min = 0.001, .max = 86400, .help = "how long the result of a job can be fetched"},
    {"RESULT_MAX_MB", NULL, OPTION_INT, OPTION_SERVE, FIELD(result_max_mb), "256", .min = 1,
     .max = 1048576,
     .help = "memory for the results of jobs, in MiB; the oldest ones are given up first"},
    {"API_KEY", NULL, OPTION_SECRET, OPTION_SERVE | OPTION_EDIT, FIELD(api_key), .shown = "none",
     .takes = "KEY",
     .help = "when set, requests need it as Authorization: Bearer KEY or X-API-Key: KEY; what edit "
             "--server "
             "sends (others on the machine can see flags: better set the variable)"},
    {"DEVICE", NULL, OPTION_PLACE, OPTION_DEVICE, FIELD(device), "auto",
     .takes = "auto|cpu|cuda|cuda:N",
     .help = "where the networks run: cuda:1 is the second NVIDIA card, auto a card where there is "
             "one, else the CPU"},
    {"DTYPE", NULL, OPTION_CHOICE, OPTION_DEVICE, FIELD(dtype), "auto", .choices = dtypes,
     .help =
         "the arithmetic; auto: as the model is stored; int8: the fastest, in the least memory"},
    {"THREADS", NULL, OPTION_INT, OPTION_DEVICE, FIELD(threads), .shown = "all cores", .min = 0,
     .max = 4096, .help = "cores to use; 0: all that the process may use"},
    {"MEMORY_LIMIT", NULL, OPTION_MEMORY, OPTION_DEVICE, FIELD(memory_limit), .shown = "none",
     .takes = "BYTES|auto",
     .help = "most memory for weights and edits, such as 800M or 12G, or auto for what is free; "
             "weights that do not fit are read from the files whenever needed"},
    {"DEVICE_MEMORY", NULL, OPTION_BYTES, OPTION_DEVICE, FIELD(device_memory),
     .shown = "what is free", .takes = "BYTES",
     .help =
         "most memory of the card's own to take, such as 12G; `firered info` plans for a card of "
         "that size where there is none"},
    {"SEED_GENERATOR", NULL, OPTION_CHOICE, OPTION_RUN, FIELD(seed_generator), "cpu",
     .choices = generators,
     .help = "whose random numbers a seed draws: torch's on the CPU, or torch's on CUDA (Philox)"},
    {"LOG_FORMAT", NULL, OPTION_CHOICE, OPTION_SERVE, FIELD(log_format),
     .shown = "text on a terminal, else json", .choices = log_formats,
     .help = "how events are logged, one line each"},
    {"LOG_LEVEL", NULL, OPTION_CHOICE, OPTION_SERVE, FIELD(log_level), "info",
     .choices = log_levels, .help = "the least important events that are logged"},
    {"CORS_ORIGINS", NULL, OPTION_ORIGINS, OPTION_SERVE, FIELD(cors_origins), .shown = "none",
     .takes = "*|ORIGIN,...", .help = "web pages that may call the service from a browser"},
    {"ALLOWED_HOSTS", NULL, OPTION_HOSTS, OPTION_SERVE, FIELD(allowed_hosts), .shown = "none",
     .takes = "NAME,...",
     .help = "names by which the service may be called, whatever the port; any other is refused "
             "with 403, but for /health and /ready"},
    {"LORA", NULL, OPTION_LORAS, OPTION_RUN, FIELD(loras), .shown = "none",
     .takes = "FILE[:SCALE],...",
     .help = "adapters merged into the model at load: files, or ORG/NAME/FILE[@REV] of the hub; a "
             "text that is a file as it stands is that file, \\, is a comma of a name"},
    {"NEGATIVE_PROMPT", NULL, OPTION_TEXT, OPTION_RUN, FIELD(negative_prompt), " ",
     .shown = "one space", .help = "what guidance leads away from, when the request has none"},
    {"PULL", NULL, OPTION_CHOICE, OPTION_SERVE, FIELD(pull), "auto", .choices = pull_modes,
     .help = "auto: a MODEL_ID that is set and not in the cache is downloaded first; never: it is "
             "an error"},
    {"HF_HOME", NULL, OPTION_PATH, OPTION_MODEL | OPTION_HUB, FIELD(hf_home),
     .shown = "~/.cache/huggingface", .takes = "FOLDER",
     .help = "where the hub's cache is (models are in its folder hub/)"},
    {"HF_TOKEN", NULL, OPTION_SECRET, OPTION_MODEL | OPTION_HUB, FIELD(hf_token), .shown = "none",
     .takes = "TOKEN", .help = "access to models that need it"},
    {"HF_ENDPOINT", NULL, OPTION_URL, OPTION_MODEL | OPTION_HUB, FIELD(hf_endpoint),
     .shown = "https://huggingface.co", .takes = "URL", .help = "a mirror of the hub"},
    {"HF_HUB_CACHE", NULL, OPTION_PATH, OPTION_MODEL | OPTION_HUB, FIELD(hf_hub_cache),
     .shown = "HF_HOME/hub", .takes = "FOLDER", .help = "the cache itself, whatever HF_HOME says",
     .rare = true},
    {"HUGGINGFACE_HUB_CACHE", NULL, OPTION_PATH, OPTION_MODEL | OPTION_HUB,
     FIELD(huggingface_hub_cache), .shown = "none", .takes = "FOLDER",
     .help = "the older name of HF_HUB_CACHE", .rare = true},
    {"XDG_CACHE_HOME", NULL, OPTION_PATH, OPTION_MODEL | OPTION_HUB, FIELD(xdg_cache_home),
     .shown = "~/.cache", .takes = "FOLDER",
     .help =
         "where caches are: the hub's in its folder huggingface/, when none of the others is set",
     .rare = true},
    {"HF_TOKEN_PATH", NULL, OPTION_PATH, OPTION_MODEL | OPTION_HUB, FIELD(hf_token_path),
     .shown = "HF_HOME/token", .takes = "FILE",
     .help = "where the token is, when HF_TOKEN is not set", .rare = true},
    {"HUGGING_FACE_HUB_TOKEN", NULL, OPTION_SECRET, OPTION_MODEL | OPTION_HUB,
     FIELD(hugging_face_hub_token), .shown = "none", .takes = "TOKEN",
     .help = "the older name of HF_TOKEN", .rare = true},
    {"HF_HUB_DISABLE_IMPLICIT_TOKEN", NULL, OPTION_WORD, OPTION_MODEL | OPTION_HUB,
     FIELD(hf_hub_disable_implicit_token), .shown = "no", .takes = "1",
     .help = "1, on, yes or true: no token is sent", .rare = true},
    {"HF_HUB_OFFLINE", NULL, OPTION_WORD, OPTION_MODEL | OPTION_HUB, FIELD(hf_hub_offline),
     .shown = "no", .takes = "1",
     .help = "1, on, yes or true: nothing is fetched, only what is in the cache is used",
     .rare = true},
    {"TRANSFORMERS_OFFLINE", NULL, OPTION_WORD, OPTION_MODEL | OPTION_HUB,
     FIELD(transformers_offline), .shown = "no", .takes = "1",
     .help = "the same, when HF_HUB_OFFLINE is not set", .rare = true},
    {"HF_HUB_DOWNLOAD_TIMEOUT", NULL, OPTION_WORD, OPTION_MODEL | OPTION_HUB,
     FIELD(hf_hub_download_timeout), .shown = "10", .takes = "SECONDS",
     .help = "how long a download may stand still before it is tried again", .rare = true},
};
const size_t option_count = sizeof option_table / sizeof option_table[0];

/* The variable in small letters, with `between` for its underscores. */
static const char *small(const struct option *o, char between, char out[OPTION_FLAG_SIZE]) {
    size_t n = 0;
    for (; o->variable[n] && n < OPTION_FLAG_SIZE - 1; n++)
        out[n] = o->variable[n] == '_' ? between : (char)tolower((unsigned char)o->variable[n]);
    out[n] = '\0';
    return out;
}

static const struct option *any_case(const char *name) {
    for (size_t i = 0; i < option_count; i++)
        if (strcasecmp(option_table[i].variable, name) == 0) return &option_table[i];
    return NULL;
}

/* One slip in a short name, two in a long one: HOME is not HOST. */
static const struct option *nearest(const char *name, unsigned commands) {
    const struct option *found = NULL;
    size_t best = 3;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        size_t distance = args_distance(name, o->variable);
        size_t most = strlen(o->variable) < 8 ? 1 : 2;
        if (!(o->commands & commands) || distance > most || distance >= best) continue;
        best = distance;
        found = o;
    }
    return found;
}

const struct option *option_meant(const char *name, unsigned commands) {
    static const char ours[] = "FIRERED_";
    const struct option *meant = any_case(name);
    if (meant && strcmp(meant->variable, name) == 0) return NULL;
    if (!meant && strncasecmp(name, ours, strlen(ours)) == 0) meant = any_case(name + strlen(ours));
    if (meant) return meant->commands & commands ? meant : NULL;
    return nearest(name, commands);
}

void option_flag(const struct option *o, char out[OPTION_FLAG_SIZE]) {
    small(o, '-', out);
}

const char *option_key(const struct option *o, char out[OPTION_FLAG_SIZE]) {
    return small(o, '_', out);
}

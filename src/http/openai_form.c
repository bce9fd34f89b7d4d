/*
 * The form of POST /v1/images/edits, as OpenAI's clients send it.  What would change the picture
 * and is not done here is refused, and so is what is not known: nobody is to pay for an edit and
 * find out afterwards that half of the request was read over.  Only what says who asks, and how
 * strictly to watch them, is read over, as there is nothing here that would make use of it.
 *
 * Source: OpenAI's API reference, "Create image edit".
 */
#include <string.h>

#include "http/form.h"
#include "http/form_fields.h"
#include "http/limits.h"
#include "image/decode.h"

enum {
    FIELD_N = COMMON_FIELDS,
    FIELD_RESPONSE_FORMAT,
    FIELD_OUTPUT_COMPRESSION,
    FIELD_MODEL,
    FIELD_QUALITY,
    FIELD_BACKGROUND,
    FIELD_INPUT_FIDELITY,
    FIELD_MODERATION,
    FIELD_PARTIAL_IMAGES,
    FIELD_STREAM,
    FIELD_USER,
    FIELD_SAFETY_IDENTIFIER,
    FIELDS
};

enum { MOST_NAME_BYTES = 512 };

static const struct field openai_fields[FIELDS - COMMON_FIELDS] = {
    [FIELD_N - COMMON_FIELDS] = {"n", MOST_VALUE_BYTES},
    [FIELD_RESPONSE_FORMAT - COMMON_FIELDS] = {"response_format", MOST_VALUE_BYTES},
    [FIELD_OUTPUT_COMPRESSION - COMMON_FIELDS] = {"output_compression", MOST_VALUE_BYTES},
    [FIELD_MODEL - COMMON_FIELDS] = {"model", MOST_NAME_BYTES},
    [FIELD_QUALITY - COMMON_FIELDS] = {"quality", MOST_VALUE_BYTES},
    [FIELD_BACKGROUND - COMMON_FIELDS] = {"background", MOST_VALUE_BYTES},
    [FIELD_INPUT_FIDELITY - COMMON_FIELDS] = {"input_fidelity", MOST_VALUE_BYTES},
    [FIELD_MODERATION - COMMON_FIELDS] = {"moderation", MOST_VALUE_BYTES},
    [FIELD_PARTIAL_IMAGES - COMMON_FIELDS] = {"partial_images", MOST_VALUE_BYTES},
    [FIELD_STREAM - COMMON_FIELDS] = {"stream", MOST_VALUE_BYTES},
    [FIELD_USER - COMMON_FIELDS] = {"user", MOST_NAME_BYTES},
    [FIELD_SAFETY_IDENTIFIER - COMMON_FIELDS] = {"safety_identifier", MOST_NAME_BYTES},
};

/* Fields of which only the values are taken that say what is done anyway. */
static const struct {
    int field;
    const char *values[3];
    const char *why; /* and what to do instead */
} settled[] = {
    {FIELD_RESPONSE_FORMAT,
     {"b64_json"},
     "response_format must be b64_json: pictures come in the answer, not as URLs"},
    {FIELD_QUALITY,
     {"auto", "standard"},
     "quality must be auto; ask for more or less effort with steps"},
    {FIELD_BACKGROUND,
     {"auto", "opaque"},
     "background must be auto or opaque: edited pictures have no transparency"},
    {FIELD_INPUT_FIDELITY,
     {"high"},
     "input_fidelity must be high: the pictures are always seen in full"},
    {FIELD_MODERATION, {"auto", "low"}, "moderation must be auto or low"},
    {FIELD_PARTIAL_IMAGES,
     {"0"},
     "partial_images must be 0; with stream=true the progress is told in steps"},
};

static enum status refuse_part(struct edit_form *form, const char *name, struct error *err) {
    if (strcmp(name, "mask") == 0) {
        form->wrong_field = "mask";
        return fail(err, STATUS_INVALID,
                    "mask is not supported; say in the prompt what to change and what to keep");
    }
    struct buffer unread = {.data = (char *)name, .size = strlen(name)};
    return fail(err, STATUS_INVALID,
                "'%s' is no parameter of this server's image edits; leave it out (GET /docs lists "
                "them)",
                form_shown(&unread));
}

static bool read_settled(const struct edit_form *form, struct problem *problem) {
    for (size_t i = 0; i < sizeof settled / sizeof *settled; i++) {
        const struct buffer *value = &form->values[settled[i].field];
        bool taken = !value->size;
        for (int k = 0; k < 3 && settled[i].values[k]; k++)
            taken |= form_is_word(value, settled[i].values[k]);
        if (!taken) return form_refuse_field(problem, form, settled[i].field, "%s", settled[i].why);
    }
    return true;
}

static bool read_model(const struct edit_form *form, struct problem *problem) {
    const struct buffer *value = &form->values[FIELD_MODEL];
    const char *served = service_model_name(form->service);
    if (!value->size || form_is_word(value, served) || form_is_word(value, "firered")) return true;
    form_refuse_field(problem, form, FIELD_MODEL,
                      "the model '%s' is not served here; name %.300s, or firered for whatever is "
                      "served",
                      form_shown(value), served);
    problem->code = HTTP_MODEL_NOT_FOUND;
    return false;
}

static bool read_stream(struct edit_form *form, struct problem *problem) {
    const struct buffer *value = &form->values[FIELD_STREAM];
    form->wishes.stream = form_is_word(value, "true");
    if (!value->size || form->wishes.stream || form_is_word(value, "false")) return true;
    return form_refuse_field(problem, form, FIELD_STREAM, "stream must be true or false, not '%s'",
                             form_shown(value));
}

/* 100 is as good as the format gets: lossless, where it can be. */
static bool read_compression(struct edit_form *form, struct problem *problem) {
    struct edit_order *order = &form->order;
    int quality = 100;
    if (!form->values[FIELD_OUTPUT_COMPRESSION].size) return true;
    if (!form_read_integer(form, FIELD_OUTPUT_COMPRESSION, 0, 100, &quality, problem)) return false;
    if (order->format == PICTURE_PNG && quality < 100)
        return form_refuse_field(problem, form, FIELD_OUTPUT_COMPRESSION,
                                 "output_compression below 100 needs output_format jpeg or webp: "
                                 "PNG is always lossless");
    if (order->format == PICTURE_JPEG || quality < 100) order->quality = quality ? quality : 1;
    return true;
}

/* The answer holds all pictures at once: together they may be as large as one upload. */
static bool check_count(const struct edit_form *form, struct problem *problem) {
    const struct edit_order *order = &form->order;
    const struct buffer *last = &order->files[order->file_count - 1];
    struct picture_header header;
    if (!order->input_size || picture_probe(&header, last->data, last->size, NULL) != STATUS_OK)
        return true;
    int64_t most = service_config(form->service)->max_image_pixels;
    if ((int64_t)header.width * header.height * form->wishes.count <= most) return true;
    return form_refuse_field(problem, form, FIELD_N,
                             "%d pictures of %dx%d are over %lld pixels; ask for fewer, or for "
                             "another size",
                             form->wishes.count, header.width, header.height, (long long)most);
}

static bool read_fields(struct edit_form *form, struct problem *problem) {
    return form_read_common(form, problem) && read_settled(form, problem) &&
           read_model(form, problem) && read_stream(form, problem) &&
           form_read_integer(form, FIELD_N, 1, EDIT_MOST_COUNT, &form->wishes.count, problem) &&
           form_read_size(form, "auto", problem) && form_read_format(form, problem) &&
           read_compression(form, problem) && form_check_pictures(form, problem) &&
           check_count(form, problem);
}

const struct edit_form_kind edit_form_openai = {.fields = openai_fields,
                                                .field_count = FIELDS - COMMON_FIELDS,
                                                .image_too = "image[]",
                                                .refuse_part = refuse_part,
                                                .read = read_fields};

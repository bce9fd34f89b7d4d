/*
 * edit_made.h - one finished edit, wherever it was made.
 */
#ifndef CLI_EDIT_MADE_H
#define CLI_EDIT_MADE_H

#include "base/buffer.h"
#include "pipeline/edited_file.h"

struct edit_made {
    struct buffer file; /* the encoded picture; malloc'ed like the model's name */
    int width, height;
    int steps;
    double guidance_scale;
    double change; /* of firered_result; negative: the service does not tell */
    char note[EDIT_NOTE_SIZE];
    char *model;
};

#endif

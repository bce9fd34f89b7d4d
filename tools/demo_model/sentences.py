"""The sentences that ask for the edits.

Most were written by hand, one a line (wordings/CLASS.txt; {c} is a colour, {s} a figure, {p} a place). The others are drawn from
adjectives ("make it {adjective}"), phrases (whole instructions, {o} is what is edited) and nouns ("turn it into {noun}"), with politeness,
adverbs, capitals and typing errors around them.
"""
import os
import random
import re

import edits

OBJECTS = (
    ["it"] * 5
    + ["the image", "this image", "the photo", "this photo", "the picture", "this picture"] * 2
    + ["my photo", "my picture", "my image", "everything", "the whole image", "the whole picture", "the whole thing", "the scene",
       "this", "the entire photo", "the entire picture", "the shot", "this shot", "that photo", "that picture", "the photograph",
       "this photograph", "the snapshot", "the pic", "this pic", "the portrait", "the landscape", "the view", "all of it",
       "my snapshot", "the room", "the street", "the animal", "the dog", "the cat", "my cat", "my dog", "the food", "the house",
       "the building", "the garden", "the people", "the face", "the car", "the flowers", "the sky", "the city", "the picture of my dog",
       "this photo of a cat", "the photo of the street"]
)
WHOLE = OBJECTS[5:19]  # what a border or a shape is put on

ADJECTIVES, PHRASES, NOUNS = {}, {}, {}


def words(name, phrases, adjectives=(), nouns=()):
    PHRASES[name], ADJECTIVES[name], NOUNS[name] = list(phrases), list(adjectives), list(nouns)


words("keep", [
    "keep {o} unchanged", "do nothing", "leave {o} as is", "don't change anything", "keep {o} the same", "no changes", "leave {o} alone",
    "return {o} unmodified", "do not edit {o}", "keep the original", "just copy {o}", "no edit", "reconstruct {o}", "change nothing",
    "keep {o} as it is", "do not change {o}", "don't touch {o}", "leave {o} untouched", "leave everything as it is",
    "keep everything exactly as it is", "no change", "nothing", "make no changes", "give me the same picture back", "leave {o} unchanged",
    "don't edit {o}", "do not modify {o}", "keep {o} exactly the same", "return the original", "output the same image",
    "{o} is fine as it is", "no modifications", "show {o} again", "keep {o} unedited", "same image", "the same picture again",
    "don't do anything", "do not do anything to {o}", "leave the photo the way it is", "don't alter {o}", "stay the same",
    "reproduce {o} exactly", "make no edits", "no editing needed", "do not alter anything", "repeat {o}", "preserve {o}"])
words("gray", [
    "remove the color from {o}", "remove all colors", "desaturate {o}", "remove colour from {o}", "take the colors away",
    "strip the color out of {o}", "get rid of the colors", "decolorize {o}", "remove all color", "remove the colors", "remove the colours",
    "take out all the color", "remove all saturation", "get rid of all color", "drain the color from {o}", "delete the colors",
    "no color", "no colors", "without color", "without any colors", "i don't want any color", "use shades of gray", "only shades of grey",
    "turn off the color", "take away the colour", "make all colors gray", "remove every color from {o}", "apply a black and white filter",
    "apply a grayscale filter", "black and white filter", "add a black and white effect", "use a monochrome filter", "set saturation to zero",
    "drop the color", "lose the color", "convert to black and white", "convert to grayscale", "to black and white", "to grayscale"],
    ["black and white", "grayscale", "greyscale", "gray", "grey", "monochrome", "colorless", "colourless", "b&w", "black & white",
     "black-and-white", "bw", "uncolored", "gray scale", "completely gray", "fully desaturated", "monochromatic"],
    ["a black and white photo", "a grayscale image", "a monochrome picture", "a greyscale photo", "a black-and-white image", "b&w",
     "a black and white picture", "a black and white photograph", "black and white", "grayscale", "a black and white movie still",
     "a noir photo", "shades of gray", "a b&w photo", "monochrome", "a gray picture"])
words("invert", [
    "invert the colors", "invert {o}", "invert the colours of {o}", "invert colors", "reverse the colors", "negate {o}",
    "swap light and dark", "flip the colors to their opposite", "inverse the colors of {o}", "show {o} with inverted colors",
    "invert all colors", "invert the colours", "use inverted colors", "swap black and white", "make the colors opposite",
    "replace every color with its opposite", "make dark light and light dark", "apply a negative filter", "negative effect",
    "apply an invert effect", "use complementary colors", "inverted colors", "reverse all the colours", "color inversion",
    "turn the colors around", "replace colors by their complements", "opposite colors", "show the negative of {o}",
    "show me the negative", "give me the negative", "give {o} inverted colors", "make white black and black white", "invert every pixel",
    "make a negative of {o}", "make a negative", "change the colors to their opposites"],
    ["inverted", "negative", "color inverted", "a negative", "inverse", "look like a negative"],
    ["a negative", "a photo negative", "a film negative", "a color negative", "an inverted image", "an x-ray negative",
     "a negative image", "the negative", "its negative", "a photographic negative", "an x-ray", "an inverted picture"])
words("sepia", [
    "apply a sepia filter", "add a vintage look", "make {o} look old", "give {o} a sepia tone", "give {o} an antique look", "add sepia",
    "make {o} look like an old photo", "use a vintage filter", "apply sepia", "sepia filter", "sepia tone", "add a sepia effect",
    "vintage look", "give {o} a vintage look", "give {o} an old look", "give {o} a retro feel", "make {o} look vintage",
    "make {o} look like it is 100 years old", "make {o} look like it was taken in 1900", "make {o} look aged", "age {o}",
    "give {o} an old-timey look", "apply a retro filter", "old photo effect", "apply an old photo effect", "make {o} old and brown",
    "use sepia tones", "tone {o} sepia", "turn {o} brown like an old photo", "add an antique effect", "make {o} look like grandma's photos",
    "use a brownish vintage tone", "apply a vintage filter", "apply a brown tone", "add a brown tint", "give {o} a brown tint"],
    ["sepia", "vintage", "old-fashioned", "antique", "retro", "sepia toned", "brownish", "aged", "old fashioned", "brown",
     "look like the old days", "nostalgic", "sepia-toned", "old", "old-timey"],
    ["a sepia photo", "an old photograph", "a vintage photo", "a retro picture", "an antique photograph", "an old photo", "sepia",
     "a sepia picture", "a vintage photograph", "an old picture", "a photo from the 1800s", "an old western photo", "a sepia print"])
words("brighter", [
    "brighten {o}", "increase the brightness", "brighten up {o}", "add more light", "lighten {o}", "raise the exposure",
    "turn up the brightness", "increase exposure", "add light to {o}", "boost the brightness", "increase brightness", "more light",
    "more brightness", "brighten", "lighten {o} up", "brighten {o} up", "turn the brightness up", "raise the brightness", "add brightness",
    "make the brightness higher", "make {o} less dark", "{o} is too dark", "it's too dark", "overexpose {o}", "give {o} more light",
    "give {o} more brightness", "put more light on {o}", "light up {o}", "illuminate {o}", "increase the exposure", "higher exposure",
    "expose {o} more", "pump up the brightness", "turn on more lights", "turn the lights up", "up the brightness", "increase the light",
    "increase the luminosity", "make the lighting brighter", "less darkness", "reduce the darkness", "not so dark"],
    ["brighter", "lighter", "bright", "more luminous", "much brighter", "less dark", "well lit", "brightly lit", "better lit",
     "more exposed", "more bright", "luminous", "light"],
    ["a brighter version", "a bright photo", "a brighter picture", "a lighter version", "a brighter photo", "a lighter picture"])
words("darker", [
    "darken {o}", "decrease the brightness", "reduce the brightness", "dim {o}", "lower the exposure", "turn down the brightness",
    "lower the brightness", "reduce exposure", "make {o} less bright", "dim the lights", "decrease brightness", "less light",
    "less brightness", "darken", "dim {o} down", "darken {o} down", "turn the brightness down", "lower brightness", "remove brightness",
    "make the brightness lower", "{o} is too bright", "it's too bright", "underexpose {o}", "give {o} less light", "dim the light",
    "take some light away", "remove some light", "lower exposure", "decrease the exposure", "expose {o} less", "turn the lights down",
    "reduce the light", "decrease the light", "make the lighting darker", "make the lighting dimmer", "more darkness", "add darkness",
    "reduce the luminosity", "bring the brightness down", "cut the brightness", "not so bright", "add shadows everywhere", "dim"],
    ["darker", "dark", "dimmer", "less bright", "much darker", "dim", "less light", "underexposed", "less luminous", "badly lit",
     "poorly lit", "less exposed", "more dark", "gloomier"],
    ["a darker version", "a dark photo", "a darker picture", "a dimmer version", "a darker photo", "a dark picture"])
words("warm", [
    "add a warm tint", "warm up the colors", "apply a warm filter", "give {o} an orange tint", "increase the color temperature",
    "warm {o} up", "add warmth", "add an orange tone to {o}", "use warm colors", "tint {o} orange", "warm up {o}", "more warmth",
    "warm colors", "warmer colors", "make the colors warmer", "make the white balance warmer", "give {o} a warm look", "warm tones",
    "give {o} a warm tone", "give {o} warmer tones", "raise the color temperature", "warm filter", "add an orange filter", "orange tint",
    "add a warm glow", "give {o} a warm feeling", "warm the tones", "make the tones warmer", "shift the colors to orange",
    "add some warmth to {o}", "add an orange tint", "make {o} look warmer", "make {o} less cold", "less blue", "warm light",
    "give {o} warm lighting", "use a warmer white balance", "make the light warmer", "make {o} feel warmer", "cosy warm light"],
    ["warmer", "warm", "orange", "orangish", "more orange", "warm toned", "warm-toned", "less cold", "cozy", "warm colored",
     "orange tinted", "warmer in tone", "warmer in color"],
    ["a warm photo", "a warm toned picture", "a warmer version", "a warm picture", "warm tones"])
words("cool", [
    "add a cool tint", "cool down the colors", "apply a cold filter", "lower the color temperature", "give {o} a cold look",
    "cool {o} down", "use cool colors", "apply a cool filter", "make {o} look cold", "add a cyan tint", "cool colors", "cold colors",
    "make the colors cooler", "make the colors colder", "make the white balance cooler", "give {o} a cool look", "cool tones",
    "give {o} a cool tone", "give {o} cooler tones", "give {o} cold tones", "decrease the color temperature", "cold filter", "cool filter",
    "reduce the color temperature", "add coldness", "make the tones cooler", "add a cold tint", "cyan tint", "tint {o} cyan",
    "make {o} look cooler", "make {o} look icy", "make {o} less warm", "less orange", "cold light", "give {o} cold lighting",
    "use a cooler white balance", "make the light colder", "make {o} feel cold", "make {o} feel like winter", "reduce the warmth",
    "remove the warmth", "cool down {o}", "give {o} an icy look", "shift the colors to cyan", "apply a teal tint", "frosty look"],
    ["cooler", "cold", "colder", "cool", "icy", "chilly", "cool toned", "cool-toned", "less warm", "frosty", "wintry", "cyan",
     "teal", "turquoise", "cooler in tone", "cooler in color"],
    ["a cold photo", "a cool toned picture", "a cooler version", "a cold picture", "cool tones", "a winter mood"])
words("contrast", [
    "increase the contrast", "boost contrast", "add contrast", "raise the contrast of {o}", "more contrast", "enhance the contrast",
    "make the contrast stronger", "give {o} more contrast", "turn up the contrast", "increase contrast", "add more contrast",
    "boost the contrast", "higher contrast", "strong contrast", "raise the contrast", "turn the contrast up", "up the contrast",
    "make the contrast higher", "strengthen the contrast", "maximize the contrast", "make the darks darker and the lights lighter",
    "make dark parts darker and bright parts brighter", "deepen the shadows and lift the highlights", "improve the contrast",
    "i want more contrast", "{o} needs more contrast", "apply a high contrast filter", "increase the contrast of {o}",
    "pump up the contrast", "intensify the contrast", "give {o} strong contrast", "give {o} higher contrast", "give {o} a contrast boost",
    "make shadows deeper and lights brighter", "{o} looks too flat", "contrast boost", "crank up the contrast", "stronger contrast"],
    ["more contrasty", "high contrast", "punchier", "more dramatic", "high-contrast", "contrasty", "higher in contrast",
     "more contrasted", "stronger in contrast", "contrastier", "less flat", "less faded"],
    ["a high contrast photo", "a high contrast picture", "a higher contrast version", "a contrasty photo", "a high-contrast image"])
words("fade", [
    "reduce the contrast", "lower the contrast", "decrease contrast", "fade {o}", "less contrast", "give {o} a faded look",
    "make the contrast weaker", "wash out {o}", "turn down the contrast", "decrease the contrast", "reduce contrast", "lower contrast",
    "remove contrast", "remove some contrast", "low contrast", "turn the contrast down", "drop the contrast", "make the contrast lower",
    "weaken the contrast", "soften the contrast", "flatten the contrast", "flatten the tones", "fade the colors",
    "make {o} look faded", "make {o} look washed out", "give {o} a washed out look", "i want less contrast", "{o} has too much contrast",
    "apply a low contrast filter", "apply a faded filter", "apply a fade effect", "fade effect", "faded look", "minimize the contrast",
    "reduce the contrast of {o}", "give {o} less contrast", "give {o} lower contrast", "give {o} a flat look", "bring the contrast down",
    "make {o} look flat", "lift the shadows and lower the highlights", "make shadows weaker and lights weaker", "weaker contrast",
    "cut the contrast", "fade {o} out", "wash the picture out"],
    ["faded", "low contrast", "washed out", "flat", "less contrasty", "low-contrast", "washed-out", "lower in contrast", "flatter",
     "less contrasted", "more faded", "less punchy", "less dramatic"],
    ["a low contrast photo", "a faded photo", "a washed out picture", "a faded picture", "a lower contrast version", "a low-contrast image"])
words("saturate", [
    "increase the saturation", "boost the colors", "saturate the colors", "make the colors pop", "enhance the colors",
    "boost saturation", "add more color", "make the colors more intense", "make the colors stronger", "intensify the colours",
    "increase saturation", "more saturation", "boost the saturation", "raise the saturation", "turn up the saturation", "more color",
    "more colour", "saturate {o}", "turn up the colors", "turn the saturation up", "up the saturation", "add saturation",
    "add more saturation", "make the colours pop", "make the colors vivid", "make the colors brighter and stronger",
    "make the colors more vibrant", "make colors richer", "richer colors", "more vivid colors", "vivid colors", "vibrant colors",
    "stronger colors", "intense colors", "deepen the colors", "enrich the colors", "make the colors more saturated", "pump up the colors",
    "give {o} more color", "give {o} stronger colors", "give {o} vivid colors", "the colors are too dull", "the colors are too weak",
    "increase the vibrance", "increase the color intensity", "increase the saturation of {o}", "strengthen the colors", "boost colour",
    "amplify the colors", "exaggerate the colors", "max out the saturation", "crank up the saturation", "liven up the colors"],
    ["more colorful", "more saturated", "vivid", "more vivid", "vibrant", "more vibrant", "colourful", "colorful", "saturated",
     "more colourful", "super colorful", "oversaturated", "very saturated", "less dull", "richer in color", "more intense in color"],
    ["a vivid photo", "a colorful image", "a vibrant picture", "a more colorful version", "a colorful picture", "a vibrant photo"])
words("night", [
    "turn day into night", "turn day to night", "change the time to night", "make it night", "simulate night", "set the scene at night",
    "make {o} a night scene", "change {o} to night", "day to night", "add moonlight", "make it midnight", "show {o} at night",
    "make it nighttime", "make it night time", "turn {o} to night", "make {o} look like it's night", "night mode", "night effect",
    "apply a night effect", "change day to night", "make it look like night", "at night", "let it be night", "put {o} in moonlight",
    "make it look like it was shot at night", "make the time of day night", "change the time of day to night", "night time",
    "make it look like midnight", "make {o} look like nighttime", "show how {o} looks at night", "add a night filter", "day for night",
    "turn the day into a dark blue night", "make the sun go down so that it is night", "make it late at night", "under moonlight"],
    ["look like night", "nighttime", "night time", "look like it was taken at night", "look like midnight", "look like a night shot",
     "moonlit", "look like a moonlit night"],
    ["a night scene", "night", "a night shot", "nighttime", "a moonlit scene", "a night photo", "a picture taken at night", "midnight",
     "a night picture", "night time", "a nighttime scene", "a moonlit night"])
words("sunset", [
    "add a sunset glow", "make it sunset", "change the time to sunset", "give {o} a sunset look", "set the scene at sunset",
    "apply golden hour light", "simulate a sunset", "make it evening", "make it golden hour", "sunset light", "add sunset light",
    "make it look like sunset", "change the time of day to sunset", "at sunset", "evening light", "give {o} golden hour lighting",
    "add a sunset filter", "sunset effect", "show {o} at sunset", "put {o} in the light of the setting sun", "turn {o} to sunset",
    "make it dusk", "add an evening glow", "bathe {o} in sunset light", "make it look like the sun is setting"],
    ["look like sunset", "look like golden hour", "look like dusk", "look like evening", "look like it was taken at sunset"],
    ["a sunset", "a sunset scene", "golden hour", "an evening scene", "dusk", "a sunset photo", "sunset", "a picture taken at sunset"])
words("fog", [
    "add fog", "add mist", "add haze", "cover {o} in fog", "put fog in {o}", "fill the scene with fog", "add thick fog",
    "add some mist to {o}", "add dense fog over {o}", "fog", "add a layer of fog", "add some fog", "make it a foggy day", "put {o} in fog",
    "put {o} in the mist", "hide {o} in fog", "let fog roll in", "make the weather foggy", "make the air hazy", "fog effect",
    "add a fog effect", "add a misty effect", "add a hazy effect", "cover everything with fog", "cover {o} with mist", "wrap {o} in mist",
    "make it look foggy", "make it look misty", "fill {o} with haze", "put a white haze over {o}", "fog everywhere", "add lots of fog",
    "more fog", "as if there were fog", "blanket {o} in fog", "add white fog", "add smoke and fog", "change the weather to fog"],
    ["foggy", "misty", "hazy", "full of fog", "covered in fog", "full of mist", "look like a foggy day", "fogged"],
    ["a foggy scene", "a misty day", "a foggy day", "a hazy picture", "a misty scene", "a foggy morning", "a foggy picture", "fog"])
words("blur", [
    "blur {o}", "apply a blur", "add blur", "apply gaussian blur", "soften {o}", "smooth {o}", "make {o} out of focus",
    "add a strong blur", "defocus {o}", "blur", "gaussian blur", "blur everything", "add a blur effect", "apply a blur effect",
    "apply a gaussian blur filter", "add some blur", "use a blur filter", "make everything blurry", "take {o} out of focus",
    "remove the sharpness", "reduce the sharpness", "less sharp", "apply a soft focus", "put {o} out of focus", "unsharpen {o}",
    "smear {o}", "smooth {o} out", "remove all the detail", "remove the details", "blur {o} out", "add heavy blur", "lens blur",
    "make it look out of focus"],
    ["blurry", "blurred", "out of focus", "soft", "unfocused", "defocused", "less sharp", "unsharp", "fuzzy", "smooth", "soft focus"],
    ["a blurry image", "a blurred photo", "a blurry photo", "a blurry picture", "an out of focus photo", "a blurred version"])
words("pixelate", [
    "pixelate {o}", "add a mosaic effect", "apply a mosaic", "apply a pixel effect", "censor {o} with a mosaic", "mosaic {o}",
    "pixelize {o}", "apply pixelation", "make big pixels", "pixelate", "mosaic", "pixel effect", "mosaic effect", "pixelation",
    "pixelate everything", "add pixelation", "use big pixels", "use large pixels", "show large pixels", "censor {o}", "use a mosaic filter",
    "apply a mosaic filter", "make {o} out of big squares", "divide {o} into squares", "lower the resolution", "reduce the resolution",
    "make {o} look like minecraft", "make {o} look like an old video game", "make {o} look like pixel art", "make it 8 bit",
    "downscale {o} to big pixels", "replace {o} with coarse blocks", "break {o} into blocks"],
    ["pixelated", "blocky", "pixelized", "8-bit", "low resolution", "8 bit", "low-res", "pixelated like an old game", "low res",
     "look like a mosaic", "look like pixel art"],
    ["a mosaic", "pixel art", "big pixels", "8-bit art", "a pixelated picture", "a mosaic of squares", "a low resolution image",
     "blocks", "large pixels", "8 bit graphics"])
words("mirror", [
    "mirror {o}", "flip {o} horizontally", "mirror {o} horizontally", "flip horizontal", "swap left and right", "flip left to right",
    "reflect {o} horizontally", "horizontal flip", "reverse {o} left to right", "mirror {o} left to right", "flip {o} left-right",
    "flip {o} sideways", "flip {o} left to right", "mirror", "mirror effect", "exchange left and right", "switch left and right",
    "horizontally flip {o}", "flip {o} along the vertical axis", "show {o} in a mirror", "make {o} face the other way", "flip from left to right",
    "reflect {o}", "reflect {o} left to right", "make left right and right left", "reverse left and right", "show the mirror image",
    "make a mirror image of {o}", "as seen in a mirror", "put the left side on the right", "apply a horizontal flip", "horizontal mirror"],
    ["mirrored", "flipped horizontally", "reversed left to right", "mirrored horizontally", "mirror-inverted", "horizontally flipped",
     "look the other way", "face the other direction"],
    ["a mirror image", "its mirror image", "a mirrored version", "a horizontally flipped image", "the mirror image"])
words("flip", [
    "turn {o} upside down", "flip {o} vertically", "flip {o} upside down", "vertical flip", "swap top and bottom", "flip vertical",
    "mirror {o} vertically", "put {o} upside down", "flip top to bottom", "turn {o} on its head", "upside down", "flip {o} over vertically",
    "vertically flip {o}", "stand {o} on its head", "exchange top and bottom", "switch top and bottom", "flip {o} top to bottom",
    "make top bottom and bottom top", "reverse top and bottom", "reflect {o} vertically", "apply a vertical flip", "show {o} upside down",
    "flip {o} along the horizontal axis", "turn {o} over so that the top is at the bottom", "flip {o} up and down", "vertical mirror",
    "flip from top to bottom", "put the top at the bottom", "place {o} upside down"],
    ["upside down", "upside-down", "flipped vertically", "vertically flipped", "stand on its head", "mirrored vertically"],
    ["an upside down picture", "an upside-down version", "a vertically flipped image"])
words("posterize", [
    "posterize {o}", "reduce the number of colors", "use fewer colors", "apply a posterize effect", "limit the color palette",
    "quantize the colors", "use only a few colors", "flatten the colors", "posterize", "posterise {o}", "posterization", "poster effect",
    "apply posterization", "add a poster effect", "apply a poster effect", "use a limited palette", "limit the number of colors",
    "reduce the colors to a few", "reduce the palette", "use four levels per color", "fewer colors", "make {o} look like a poster",
    "make {o} look like pop art", "make {o} look like a screen print", "quantize {o}", "reduce the color depth", "make flat color areas",
    "show {o} with few colors", "only a handful of colors", "reduce the number of shades", "comic book colors", "poster style"],
    ["posterized", "posterised", "look like a poster", "poster-like", "quantized", "look like a comic"],
    ["a poster", "a posterized image", "a screen print", "pop art", "a posterized picture", "a pop art poster", "a comic",
     "flat colors"])

for _color, _names in {"red": ["red", "reddish", "crimson", "scarlet"], "green": ["green", "greenish", "emerald"],
                       "blue": ["blue", "bluish", "navy", "azure"], "purple": ["purple", "violet", "purplish", "magenta", "lilac"],
                       "yellow": ["yellow", "yellowish", "golden", "gold"], "pink": ["pink", "pinkish", "rosy", "rose"]}.items():
    _adjectives, _phrases = [], []
    for _name in _names * 1 + _names[:1] * 3:
        _adjectives += [_name] if _name.endswith("ish") else [
            _name, f"{_name} tinted", f"more {_name}", f"{_name}-tinted", f"all {_name}", f"{_name} colored", f"completely {_name}"]
        _phrases += [
            f"add a {_name} tint", f"apply a {_name} filter", f"give {{o}} a {_name} tint", f"give {{o}} a {_name} tone",
            f"add a {_name} overlay", f"{_name} tint", f"{_name} filter", f"add a {_name} filter", f"put a {_name} filter on {{o}}",
            f"add a {_name} tone", f"give {{o}} a {_name} color cast", f"use a {_name} filter", f"add a {_name} tint to {{o}}",
            f"give {{o}} a {_name} look", f"{_name} color filter", f"apply a {_name} tint to {{o}}", f"give {{o}} a {_name} hue",
            f"give {{o}} a {_name} glow"]
        if not _name.endswith("ish"):
            _phrases += [
                f"tint {{o}} {_name}", f"color {{o}} {_name}", f"tint everything {_name}", f"put {{o}} under {_name} light",
                f"colour {{o}} {_name}", f"paint everything {_name}", f"dye {{o}} {_name}", f"use {_name} light", f"add {_name} light",
                f"make the colors {_name}", f"see {{o}} through {_name} glass", f"shift the colors to {_name}", f"more {_name}",
                f"add more {_name}", f"make all colors more {_name}", f"light {{o}} in {_name}", f"in {_name} tones", f"bathe {{o}} in {_name} light"]
    words(_color, _phrases, _adjectives, [f"a {_names[0]} picture", f"a {_names[0]} tinted photo", f"a {_names[0]} photo", f"{_names[0]} tones"])

BORDER_PHRASES = [
    "add a {c} border", "add a {c} frame", "draw a {c} border around {o}", "put a {c} frame around {o}", "frame {o} in {c}",
    "add a {c} border to {o}", "surround {o} with a {c} border", "give {o} a {c} border", "{c} border", "{c} frame",
    "add {c} edges to {o}", "put {o} in a {c} frame", "add a {c} outline around {o}", "give {o} a {c} frame", "add a {q} {c} frame",
    "add a {q} {c} border around {o}", "put a {q} {c} border around it", "frame {o} with a {c} border", "with a {c} border",
    "make the border {c}", "make the edges {c}", "make a {c} frame around {o}", "draw a {c} frame", "draw a {c} rectangle around the edges",
    "place {o} in a {c} frame", "surround {o} with {c}", "add a border in {c}", "add a {c} edge around {o}", "add a frame in {c}",
    "paint the edges {c}", "add a {c} rim", "add a {c} picture frame", "i want a {c} border around {o}", "{o} needs a {c} frame"]
PLACE_PHRASES = {
    "middle": ["in the middle", "in the center", "in the centre", "at the center", "in the middle of {o}", "in the center of {o}",
               "centered", "in the very middle", "right in the middle", "at the centre of {o}", "to the middle of {o}", ""],
    "top left": ["in the top left", "in the top left corner", "at the top left", "in the upper left corner", "top left",
                 "on the top left of {o}", "in the left upper corner", "in the upper left", "to the top left corner", "at the upper left"],
    "top right": ["in the top right", "in the top right corner", "at the top right", "in the upper right corner", "top right",
                  "on the top right of {o}", "in the right upper corner", "in the upper right", "to the top right corner", "at the upper right"],
    "bottom left": ["in the bottom left", "in the bottom left corner", "at the bottom left", "in the lower left corner", "bottom left",
                    "on the bottom left of {o}", "in the left lower corner", "in the lower left", "to the bottom left corner", "at the lower left"],
    "bottom right": ["in the bottom right", "in the bottom right corner", "at the bottom right", "in the lower right corner", "bottom right",
                     "on the bottom right of {o}", "in the right lower corner", "in the lower right", "to the bottom right corner", "at the lower right"],
    "top": ["at the top", "at the top of {o}", "at the top center", "at the top in the middle", "in the top middle", "near the top"],
    "bottom": ["at the bottom", "at the bottom of {o}", "at the bottom center", "at the bottom in the middle", "in the bottom middle", "near the bottom"],
    "left": ["on the left", "on the left side", "at the left", "at the left edge", "to the left of the center", "on the left side of {o}"],
    "right": ["on the right", "on the right side", "at the right", "at the right edge", "to the right of the center", "on the right side of {o}"],
}
SHAPE_NAMES = {"circle": ["circle"] * 4 + ["disc", "dot", "ball", "round spot", "disk", "spot"], "square": ["square"] * 3 + ["box", "block"]}
SHAPE_VERBS = ["add a", "draw a", "put a", "place a", "paint a", "insert a", "add one", "show a", "make a", "draw one", "create a", "i want a", "a", ""]
SHAPE_SIZES = ["", "", "", "", "big ", "filled ", "solid ", "large ", "bright ", "plain "]

BEFORE = [""] * 9 + [
    "please ", "can you ", "could you ", "could you please ", "can you please ", "i want you to ", "i'd like you to ", "kindly ", "now ",
    "hey, ", "just ", "would you ", "please, ", "hi, ", "edit: ", "let's ", "help me ", "try to ", "i would like you to ", "ok, ",
    "will you ", "you should ", "edit the photo: ", "your task: ", "go ahead and "]
AFTER = [""] * 9 + [".", ".", "!", " please", ", please", " for me", ", thanks", "?", " now", " thanks", ", thank you", " please!", "...",
                    " and keep everything else", " and nothing else", " in this photo", " in the image"]
ADVERBS = [""] * 10 + ["a bit ", "a little ", "slightly ", "much ", "very ", "really ", "a lot ", "somewhat ", "way ", "more or less ", "totally "]


WORDINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wordings")


def _lines(name):
    with open(os.path.join(WORDINGS, name + ".txt"), encoding="utf-8") as f:
        return [line.rstrip("\n") for line in f if line.strip()]


def _pairs(name):
    table = {}
    for line in _lines(name):
        key, value = line.split("\t")
        table.setdefault(key, []).append(value)
    return table


OTHER = _lines("other")  # what the model cannot do, and leaves
TINTS = ("red", "green", "blue", "purple", "yellow", "pink")
WRITTEN = {kind: _lines(kind) for kind in [*ADJECTIVES, "border", "shape"]}
TINT, TINT_NAMES, PLACE_NAMES, FIGURES = _lines("tint"), _pairs("tint_names"), _pairs("places"), _pairs("figures")
THING = re.compile(r"\b(the|this|my|that|our) (photo|picture|image|pic|shot|scene|photograph|snapshot)\b")


def written(name, rng):
    """A sentence of wordings/ for edit `name`, with another word for the picture now and then."""
    kind, *details = name.split(":")
    if kind == "shape":
        figure, color, place = details
        text = rng.choice(WRITTEN[kind]).replace("{c}", color).replace("{p}", rng.choice(PLACE_NAMES[place]))
        return text.replace("{s}", rng.choice([figure, figure, *FIGURES[figure]]))
    if kind == "border":
        return rng.choice(WRITTEN[kind]).replace("{c}", details[0])
    if kind in TINTS and rng.random() < 0.7:
        text = rng.choice(TINT).replace("{c}", rng.choice([kind, kind, kind, *TINT_NAMES[kind]]))
    else:
        text = rng.choice(WRITTEN[kind])
    if rng.random() < 0.3:
        text = THING.sub(lambda match: rng.choice(OBJECTS), text)
    return text


def sentence(name, rng):
    """One plain instruction that asks for edit `name`."""
    kind, *details = name.split(":")
    thing = rng.choice(OBJECTS)
    if kind == "shape":
        figure, color, place = details
        text = f"{rng.choice(SHAPE_VERBS)} {rng.choice(SHAPE_SIZES)}{color} {rng.choice(SHAPE_NAMES[figure])} {rng.choice(PLACE_PHRASES[place])}"
        return text.strip().replace("{o}", rng.choice(WHOLE))
    if kind == "border":
        text = rng.choice(BORDER_PHRASES).replace("{c}", details[0]).replace("{o}", rng.choice(WHOLE))
        return text.replace("{q}", rng.choice(["thick", "thin", "wide", "solid", "simple", "nice"]))
    adjectives, phrases, nouns = ADJECTIVES[kind], PHRASES[kind], NOUNS[kind]
    draw = rng.random()
    if adjectives and draw < 0.36:
        adjective = rng.choice(adjectives)
        if adjective.startswith(("look", "stand", "face")):
            return f"make {thing} {adjective}"
        return rng.choice([
            f"make {thing} {rng.choice(ADVERBS)}{adjective}", f"make {thing} {adjective}", f"make {thing} {adjective}",
            f"turn {thing} {adjective}", f"change {thing} to {adjective}", f"convert {thing} to {adjective}",
            f"make {thing} look {rng.choice(ADVERBS)}{adjective}", f"make {thing} appear {adjective}", f"i want {thing} {adjective}",
            f"i want {thing} to be {adjective}", f"{thing} should be {adjective}", adjective, adjective,
            f"i'd like {thing} {adjective}", f"render {thing} {adjective}", f"show {thing} {adjective}", f"{thing} but {adjective}",
            f"a {adjective} version of {thing}", f"set {thing} to {adjective}", f"give me a {adjective} version", f"let {thing} be {adjective}"])
    if nouns and draw < 0.5:
        noun = rng.choice(nouns)
        return rng.choice([
            f"turn {thing} into {noun}", f"convert {thing} into {noun}", f"make {thing} {noun}", f"change {thing} into {noun}",
            f"transform {thing} into {noun}", noun, f"make {thing} look like {noun}", f"convert {thing} to {noun}", f"make {noun}",
            f"make {noun} out of {thing}", f"i want {noun}", f"change {thing} to {noun}", f"turn {thing} to {noun}"])
    phrase = rng.choice(phrases).replace("{o}", thing)
    if rng.random() < 0.15:  # "it's too dark, brighten it"
        phrase += rng.choice([", ", ", ", " and ", ": ", ". ", ", so "]) + rng.choice(phrases).replace("{o}", rng.choice(["it", thing]))
    return phrase


def mistype(text, rng):
    i, kind = rng.randrange(len(text)), rng.random()
    if kind < 0.33:
        return text[:i] + text[i + 1:]
    if kind < 0.66 and i + 1 < len(text):
        return text[:i] + text[i + 1] + text[i] + text[i + 2:]
    return text[:i] + text[i] + text[i:]


def prompt(name, rng):
    """An instruction as people type it."""
    if name == "empty":
        return " "
    if name == "other":
        text = rng.choice(OTHER)
    else:
        text = written(name, rng) if rng.random() < 0.6 else sentence(name, rng)
    if rng.random() < 0.5:
        text = rng.choice(BEFORE) + text
    text += rng.choice(AFTER)
    case = rng.random()
    if case < 0.4:
        text = text[:1].upper() + text[1:]
    elif case < 0.46:
        text = text.upper()
    elif case < 0.49:
        text = text.title()
    if rng.random() < 0.08:
        text = mistype(text, rng)
    return text or "x"


def held_out():
    """(class, sentence) of the wordings that no training sees: wordings/held_out/CLASS.txt, with - and _ for : and space."""
    folder = os.path.join(WORDINGS, "held_out")
    for file in sorted(os.listdir(folder)):
        for line in _lines("held_out/" + file[:-4]):
            yield file[:-4].replace("-", ":").replace("_", " "), line


if __name__ == "__main__":
    generator = random.Random(1)
    for _ in range(40):
        drawn = edits.sample_class(generator)
        print(drawn, "|", prompt(drawn, generator))

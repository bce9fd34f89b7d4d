"""What people do with OpenAI's own client, against a server that is already there.

    openai_client.py BASE_URL PICTURE [KEY]
"""

import base64
import sys

import openai

SIGNATURES = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


def check(what, condition):
    if not condition:
        sys.exit(f"openai_client: {what}")


def picture_of(text, kind):
    data = base64.b64decode(text, validate=True)
    check(f"no {kind}: {data[:4]}", data.startswith(SIGNATURES[kind]))
    return data


def main():
    url, picture, key = sys.argv[1], sys.argv[2], sys.argv[3]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def edit(**fields):
        extra = {"seed": 7, "steps": 2}
        with open(picture, "rb") as file:
            return client.images.edit(image=file, prompt="make it night", extra_body=extra, **fields)

    models = [model.id for model in client.models.list()]
    check(f"models are {models}", len(models) == 1)
    check("the model has another name", client.models.retrieve(models[0]).id == models[0])

    one = edit(model=models[0], size="64x64")
    check("one picture was asked for", len(one.data) == 1 and one.size == "64x64" and one.created)
    first = picture_of(one.data[0].b64_json, "png")

    two = edit(model="firered", n=2, size="64x64")
    check("two pictures were asked for", [image.seed for image in two.data] == [7, 8])
    check("the same seed gave another picture", picture_of(two.data[0].b64_json, "png") == first)
    check("two seeds gave one picture", picture_of(two.data[1].b64_json, "png") != first)

    jpeg = edit(n=1, size="auto", output_format="jpeg", output_compression=60, quality="auto")
    picture_of(jpeg.data[0].b64_json, "jpeg")

    with open(picture, "rb") as a, open(picture, "rb") as b:
        several = client.images.edit(image=[a, b], prompt="put both side by side", size="64x64",
                                     output_format="webp", extra_body={"steps": 1})
    picture_of(several.data[0].b64_json, "webp")

    events = list(edit(n=2, size="64x64", stream=True))
    done = [event for event in events if event.type == "image_edit.completed"]
    check("something came that is no picture", len(events) == 2)
    check("two completed pictures were to come", len(done) == 2)
    check("streamed, it is another picture", picture_of(done[0].b64_json, "png") == first)
    check("the usage is missing", done[0].usage.total_tokens == 0)

    try:
        edit(size="64x64", response_format="url")
        check("a URL was promised", False)
    except openai.BadRequestError as error:
        check(f"param is {error.param}", error.param == "response_format")
        check(f"code is {error.code}", error.code == "invalid_request")
        check("the sentence is missing", "b64_json" in error.body["message"])
        check("the request's id is missing", error.request_id)
    try:
        edit(model="gpt-image-1")
        check("an unknown model was taken", False)
    except openai.NotFoundError as error:
        check(f"code is {error.code}", error.code == "model_not_found")
    try:
        openai.OpenAI(base_url=f"{url}/v1", api_key="another", max_retries=0).models.list()
        check("another key was taken", False)
    except openai.AuthenticationError as error:
        check(f"code is {error.code}", error.code == "unauthorized")


main()

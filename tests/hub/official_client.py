#!/usr/bin/env python3
"""firered and the hub's own client on one cache, both ways.

    official_client.py PROGRAM MODEL_FOLDER

What firered wrote is used by the client, offline, and its scan finds nothing amiss, also while a pull
is on its way; what the client wrote, with Xet's store of shared blobs too, firered uses without
fetching a byte.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hub_stub  # noqa: E402

PROGRAM, MODEL = sys.argv[1:3]
ID = "example/tiny"


def firered(hub, cache, *words, status=0, env=None):
    e = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": cache} | (env or {})
    p = subprocess.run([PROGRAM, *words], env=e, capture_output=True, text=True, timeout=120)
    assert p.returncode == status, (words, p.returncode, p.stdout, p.stderr)
    return p.stdout.strip()


def client(hub, cache, code, env=None):
    e = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": cache} | (env or {})
    code = "from huggingface_hub import *\n" + code
    p = subprocess.run([sys.executable, "-c", code], env=e, capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, (code, p.stderr)
    return p.stdout.strip()


def scan_is_clean(hub, cache):
    said = client(hub, cache, "i = scan_cache_dir()\nprint(len(i.warnings), len(i.repos), *i.warnings)")
    assert said.startswith("0 "), said


def ours_for_them(hub):
    with tempfile.TemporaryDirectory() as cache:
        folder = firered(hub, cache, "pull", ID)
        hub.forget()
        offline = {"HF_HUB_OFFLINE": "1"}
        assert client(hub, cache, f"print(snapshot_download('{ID}'))", offline) == folder
        path = client(hub, cache, f"print(hf_hub_download('{ID}', 'model_index.json'))", offline)
        assert path == folder + "/model_index.json"
        assert not hub.log(), hub.log()
        scan_is_clean(hub, cache)
        client(hub, cache, f"snapshot_download('{ID}')")
        weights = [e for e in hub.log(kind="cdn") if e["file"].endswith("model.safetensors")]
        assert not weights, "the client fetched weights again"


def theirs_for_us(hub, xet):
    with tempfile.TemporaryDirectory() as cache:
        hub.set(xet=xet)
        env = {} if xet else {"HF_HUB_DISABLE_XET": "1"}
        folder = client(hub, cache, f"print(snapshot_download('{ID}'))", env)
        assert os.path.isdir(os.path.join(cache, "blobs")) == xet
        hub.forget()
        assert firered(hub, cache, "pull", ID) == folder
        assert {e["kind"] for e in hub.log()} == {"revision", "tree"}, hub.log()
        firered(hub, cache, "verify", ID)
        held = json.loads(firered(hub, cache, "list", "--json"))["models"]
        assert [m["whole"] for m in held] == [True], held
        hub.forget()
        firered(hub, cache, "pull", ID, env={"HF_HUB_OFFLINE": "1"})
        assert not hub.log()
        hub.set(xet=False)


def killed_on_the_way(hub):
    """The client neither trips over a part of ours nor takes it away."""
    with tempfile.TemporaryDirectory() as cache:
        hub.set(bandwidth=1_500_000)
        e = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": cache}
        p = subprocess.Popen([PROGRAM, "pull", "--quiet", ID], env=e)
        time.sleep(1.5)
        blobs = os.path.join(cache, "models--example--tiny", "blobs")
        hf = os.path.join(os.path.dirname(sys.executable), "hf")
        before = sorted(n for n in os.listdir(blobs) if ".firered-" in n)
        assert before
        subprocess.run([hf, "cache", "prune", "--cache-dir", cache, "-y"], env=e, capture_output=True)
        p.kill()
        p.wait()
        assert set(before) & set(os.listdir(blobs)), "prune took it away"
        scan_is_clean(hub, cache)
        hub.set(bandwidth=0)
        firered(hub, cache, "pull", ID)
        scan_is_clean(hub, cache)


def main():
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_")):
            del os.environ[name]
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    with tempfile.TemporaryDirectory() as root:
        os.environ["HF_HOME"] = os.path.join(root, "home")
        hub_stub.make_repository(root + "/hub", ID, MODEL, extras=True)
        with hub_stub.Hub(root + "/hub") as hub:
            ours_for_them(hub)
            theirs_for_us(hub, False)
            theirs_for_us(hub, True)
            killed_on_the_way(hub)


main()

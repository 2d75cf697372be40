"""A small task service that keeps to GA4GH TES 1.1.0 and refuses whoever does not.

    python tes_server.py FOLDER

Prints its port, and ends with its standard input. Each request is held against tes-1.1.json beside this file and against
what the specification says in words: absolute paths, a URL or content for each input, no parameter that is not one.
A task whose image is `local` really runs, behind bubblewrap; one whose image is `states/A/B/C` goes through these states,
one with each look at it, and stays in the last. The bearer token is the text of FOLDER/token, where there is one.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema_rs

SCHEMA = json.loads((pathlib.Path(__file__).parent / "tes-1.1.json").read_text())
TASK = jsonschema_rs.validator_for({"$ref": "#/definitions/newTask", "definitions": SCHEMA["definitions"]})
BASE = "/ga4gh/tes/v1"
OVER = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED"}
LIST = {"name_prefix", "state", "tag_key", "tag_value", "page_size", "page_token", "view"}


class Refused(Exception):
    def __init__(self, status, why):
        super().__init__(why)
        self.status = status


def check(task):
    for error in TASK.iter_errors(task):
        raise Refused(400, f"{list(error.instance_path)}: {error.message}")
    paths = [one["path"] for one in task.get("inputs", []) + task.get("outputs", [])]
    for executor in task["executors"]:
        paths += [executor[name] for name in ("workdir", "stdin", "stdout", "stderr") if name in executor]
    for path in paths:
        if not path.startswith("/"):
            raise Refused(400, f"{path} is not absolute")
    for one in task.get("inputs", []):
        if not one.get("content") and not one.get("url"):
            raise Refused(400, "an input has neither content nor url")


def stored(url):
    parts = urllib.parse.urlparse(url)
    if parts.scheme != "file":
        raise ValueError(f"{url} is no storage of this service")
    return pathlib.Path(urllib.parse.unquote(parts.path))


def copy(source, target, kind):
    target.parent.mkdir(parents=True, exist_ok=True)
    if kind == "DIRECTORY":
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def container(folder, command):
    """The machine's own programs with the task's folders, as an image with them would look."""
    line = ["bwrap", "--unshare-pid", "--as-pid-1", "--die-with-parent", "--unshare-net"]
    taken = {path.name for path in folder.iterdir()}
    for path in sorted(pathlib.Path("/").iterdir()):
        if path.is_symlink():
            line += ["--symlink", os.readlink(path), str(path)]
        elif path.name not in taken | {"proc", "dev", "tmp"}:
            line += ["--ro-bind", str(path), str(path)]
    for path in sorted(folder.iterdir()):
        line += ["--bind", str(path), f"/{path.name}"]
    return line + ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--", *command]


class Task:
    def __init__(self, number, document, folder):
        self.id, self.document, self.state, self.logs = f"task-{number}", document, "QUEUED", []
        self.folder = folder / self.id
        self.process, self.cancelled, self.lock = None, False, threading.Lock()
        image = document["executors"][0]["image"]
        self.script = image.split("/")[1:] if image.startswith("states/") else None
        if not self.script:
            threading.Thread(target=self.run, daemon=True).start()

    def look(self):
        with self.lock:
            if self.script:
                self.state = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if self.state == "EXECUTOR_ERROR":
                    self.logs = [{"logs": [{"exit_code": 137, "stderr": "killed"}], "outputs": []}]
            elif self.state == "CANCELING" and self.process.poll() is not None:
                self.state = "CANCELED"

    def cancel(self):
        with self.lock:
            if self.state in OVER:
                return
            self.cancelled = True
            if self.script:
                self.script = ["CANCELING", "CANCELED"]
            elif self.process is None:
                self.state = "CANCELED"
            else:
                self.state = "CANCELING"
                # Its first process; bubblewrap ends when that and all others are gone.
                children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
                for child in children.read_text().split():
                    os.kill(int(child), signal.SIGKILL)

    def local(self, path):
        return self.folder / path.lstrip("/")

    def run(self):
        try:
            self.state = "INITIALIZING"
            outputs = self.document.get("outputs", [])
            for one in self.document.get("inputs", []):
                copy(stored(one["url"]), self.local(one["path"]), one.get("type", "FILE"))
            for one in outputs:
                where = self.local(one["path"])
                (where if one.get("type") == "DIRECTORY" else where.parent).mkdir(parents=True, exist_ok=True)
            executor = self.document["executors"][0]
            with open(self.local(executor["stdout"]), "wb") as out, open(self.local(executor["stderr"]), "wb") as err:
                with self.lock:
                    if self.cancelled:
                        return
                    self.process = subprocess.Popen(
                        container(self.folder, executor["command"]), stdin=subprocess.DEVNULL, stdout=out, stderr=err
                    )
                    self.state = "RUNNING"
                code = self.process.wait()
            with self.lock:
                if self.cancelled:
                    return
            self.logs = [{"logs": [{"exit_code": code, "stderr": ""}], "outputs": []}]
            for one in outputs:
                copy(self.local(one["path"]), stored(one["url"]), one.get("type", "FILE"))
            self.state = "COMPLETE" if code == 0 else "EXECUTOR_ERROR"
        except Exception as error:
            print(f"{self.id}: {error!r}", file=sys.stderr)
            self.state = "SYSTEM_ERROR"

    def shown(self, view):
        shown = {"id": self.id, "state": self.state}
        return shown if view == "MINIMAL" else shown | self.document | {"logs": self.logs}


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(self.read)

    def do_POST(self):
        self.answer(self.write)

    def answer(self, what):
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            parts = urllib.parse.urlsplit(self.path)
            token = self.server.folder / "token"
            if not parts.path.startswith(BASE):
                raise Refused(404, "not here")
            if token.exists() and self.headers.get("authorization") != f"Bearer {token.read_text().strip()}":
                raise Refused(401, "no token")
            self.send(200, what(parts.path[len(BASE):], urllib.parse.parse_qs(parts.query)))
        except Refused as refused:
            print(f"refused: {refused}", file=sys.stderr)
            self.send(refused.status, {"detail": str(refused)})

    def send(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def task(self, name):
        if name not in self.server.tasks:
            raise Refused(404, "no such task")
        return self.server.tasks[name]

    def view(self, query, known):
        if set(query) - known:
            raise Refused(400, f"{set(query) - known} are no parameters")
        view = query.get("view", ["MINIMAL"])[0]
        if view not in ("MINIMAL", "BASIC", "FULL"):
            raise Refused(400, f"{view} is no view")
        return view

    def read(self, path, query):
        if path == "/service-info":
            return SCHEMA["serviceInfo"]
        if path != "/tasks":
            task, view = self.task(path.removeprefix("/tasks/")), self.view(query, {"view"})
            task.look()
            return task.shown(view)
        view = self.view(query, LIST)
        wanted = dict(zip(query.get("tag_key", []), query.get("tag_value", [])))
        tasks = [
            task for task in self.server.tasks.values()
            if all(task.document.get("tags", {}).get(key) == value for key, value in wanted.items())
        ]
        # Pages of one, so that a client has to follow them.
        at = int(query.get("page_token", ["0"])[0])
        more = {"next_page_token": str(at + 1)} if at + 1 < len(tasks) else {}
        return {"tasks": [task.shown(view) for task in tasks[at:at + 1]]} | more

    def write(self, path, query):
        self.view(query, set())
        if path == "/tasks":
            if self.headers.get("content-type") != "application/json":
                raise Refused(415, "not JSON")
            document = json.loads(self.body)
            check(document)
            task = Task(len(self.server.tasks) + 1, document, self.server.folder)
            self.server.tasks[task.id] = task
            return {"id": task.id}
        if path.startswith("/tasks/") and path.endswith(":cancel"):
            self.task(path.removeprefix("/tasks/").removesuffix(":cancel")).cancel()
            return {}
        raise Refused(404, "not here")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.folder = pathlib.Path(sys.argv[1]).absolute()
    server.tasks = {}
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    for task in server.tasks.values():
        task.cancel()


main()

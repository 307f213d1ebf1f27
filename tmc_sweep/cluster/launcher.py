"""From a file of `ray up` to the head of its cluster.

Ray's launcher knows how to find the head, and how to reach it: through which proxy, with which key, into which
container. But its own `ray exec` mixes a command's two streams and drops its exit code. So Ray composes the ssh command
here, and `ssh.Head` runs it.
"""

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from shlex import quote
from typing import Any

from ray.autoscaler.sdk import bootstrap_config

from tmc_sweep.cluster.cluster_file import documents
from tmc_sweep.cluster.ssh import Compose, Head
from tmc_sweep.errors import CannotRunError, InputError
from tmc_sweep.sweep.ray_internals import node_provider, running_head, use_terminal
from tmc_sweep.text import first_line

_FIND_SECONDS = 15.0  # for a cloud to say where the head is
_CONNECT_SECONDS = 10  # for ssh to connect
_EXTRAS = ("aws", "gcp")  # providers for which the package has an extra of the same name


def find_head(file: Path) -> Head:
    """The head of the cluster that `ray up` made from a file; it is found, but not yet connected to.

    InputError if the file is none of `ray up`; CannotRunError if its provider knows no head, does not answer within
    15 s, or needs a package that is missing.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    config = _read(file)
    kind = config["provider"]["type"]
    try:
        with _silence():
            compose = _within(_FIND_SECONDS, file, config)
        return Head(file, _silence()(compose))
    except ImportError as error:
        fix = f"pip install 'tmc-sweep[{kind}]'" if kind in _EXTRAS else "install it"
        raise CannotRunError(
            f"a cluster of provider {kind} needs {error.name or 'a package'} here, but it is missing: {fix}"
        ) from None
    except Exception as error:  # each cloud's library has its own
        raise _not_found(file, kind, error) from None


def _not_found(file: Path, kind: str, error: Exception) -> CannotRunError:
    said = getattr(error, "strerror", None) or getattr(error, "message", error)
    why = first_line(said) or type(error).__name__
    if isinstance(error, RuntimeError) and "not found" in why:
        return CannotRunError(f"the cluster of {file} must be up, but {kind} knows no head of it: run `ray up {file}`")
    credentials = "" if kind == "local" else ", your credentials"
    return CannotRunError(
        f"the head of {file} must be found, but {kind} says {why.rstrip('.')!r}: "
        f"check its provider section{credentials} and the network"
    )


def _read(file: Path) -> dict[str, Any]:
    """The content of a file of `ray up`; InputError if it is none, with other advice for a file of kubectl."""
    found = documents(file, "--cluster")
    if any(isinstance(document, dict) and "apiVersion" in document for document in found):
        raise InputError(
            f"--cluster must be a file of `ray up`, but {file} is one of kubectl: forward the head's port with "
            "`kubectl port-forward svc/tmc-sweep-head-svc 8265`, then `tmc-sweep submit --publish` and `pull --from`"
        )
    match found:
        case [{"cluster_name": str(), "provider": {"type": str()}, "auth": {"ssh_user": str()}} as config]:
            return dict(config)
    raise InputError(
        f"--cluster must be a file of `ray up`, but {file} lacks cluster_name, provider.type or auth.ssh_user: "
        "add them, as in cluster/onprem.yaml"
    )


def _within(seconds: float, file: Path, config: dict[str, Any]) -> Compose:
    """`_composer`; TimeoutError if it takes longer, and then its thread is left behind."""
    ended: queue.SimpleQueue[Compose | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            ended.put(_composer(file, config))
        except Exception as error:
            ended.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        compose = ended.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"nothing within {seconds:g} s") from None
    if isinstance(compose, Exception):
        raise compose
    return compose


def _composer(file: Path, config: dict[str, Any]) -> Compose:
    """The function that turns a shell script into the ssh command that runs it on the head."""
    node = config["provider"].get("head_ip")  # one's own machine, which no cloud knows
    if node is None:  # asked first: bootstrapping makes keys and roles, also for a cluster that is not there
        node = running_head(config, str(file))
    config = bootstrap_config(config, no_config_cache=True)  # Ray's cache is a file that anybody may have put there
    provider = config["provider"]
    composed = _Composed()
    runner = node_provider(config).get_command_runner(
        "",
        node,
        _with_absolute_key(config["auth"]),
        config["cluster_name"],
        composed,
        provider.get("use_internal_ips", False) and not provider.get("use_external_head_ip", False),
        config.get("docker"),
    )

    def compose(script: str, terminal: bool) -> list[str]:
        use_terminal(terminal)
        runner.run(script if terminal else _quiet(script), timeout=_CONNECT_SECONDS, with_output=True)
        return composed.command

    compose("true", False)  # finds the address
    return compose


@contextmanager
def _silence() -> Iterator[None]:
    """Ray prints each step; nothing of it is shown while inside.

    The streams are those of the whole process, so only the main thread may do this.
    """
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield


def _with_absolute_key(auth: dict[str, Any]) -> dict[str, Any]:
    key = auth.get("ssh_private_key")
    return {**auth, "ssh_private_key": str(Path(key).expanduser())} if key else auth


class _Composed:
    """Stands in for the module subprocess where Ray runs a command: keeps the command, and runs nothing."""

    command: list[str]

    def check_output(self, command: list[str]) -> bytes:
        self.command = command
        return b""


def _quiet(script: str) -> str:
    """The script as in a login of the head's account, without what the login itself prints.

    Its .bashrc may set PATH only for interactive shells, so the shell is made one.
    """
    inner = f'. "$HOME"/.bashrc; exec 1>&4 2>&3 3>&- 4>&-; {script}'
    return f"bash --login -i -c {quote(inner)} 3>&2 4>&1 > /dev/null 2>&1"

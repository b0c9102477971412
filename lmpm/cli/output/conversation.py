"""A conversation on a terminal: what is typed, with its history, and the words that are not for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmpm.cli.output.console import Console

HELP: Final = """\
/reset      forget what was said
/help       this
/bye        end; so does Ctrl-D
Enter sends, Alt-Enter begins a new line, and what is pasted keeps its lines.
Ctrl-C stops an answer. The arrow keys bring back what was asked before."""
ENDS: Final = frozenset({"/bye", "/exit", "/quit"})


def converse(console: Console, history: Path, answer: Callable[[str], None], reset: Callable[[], None]) -> None:
    """Read and answer until the user ends it. `answer` is called with each text; Ctrl-C in it stops that answer."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter")
    def send(event: object) -> None:
        event.current_buffer.validate_and_handle()  # type: ignore[attr-defined]

    @keys.add("escape", "enter")
    def new_line(event: object) -> None:
        event.current_buffer.insert_text("\n")  # type: ignore[attr-defined]

    history.parent.mkdir(parents=True, exist_ok=True)
    history.touch(mode=0o600)  # what was asked is nobody else's
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)), key_bindings=keys, multiline=True, prompt_continuation="  "
    )
    while True:
        try:
            said = session.prompt("> ").strip()
        except KeyboardInterrupt:  # what was typed so far is dropped, as in a shell
            continue
        except EOFError:
            return
        if said in ENDS:
            return
        if said == "/help":
            for line in HELP.splitlines():
                console.say("", line)
        elif said == "/reset":
            reset()
            console.say("", "Forgotten")
        elif said.startswith("/") and " " not in said and "\n" not in said:
            console.note(f"There is no `{said}`: `/help` lists what there is")
        elif said:
            try:
                answer(said)
            except KeyboardInterrupt:
                console.aside("stopped")

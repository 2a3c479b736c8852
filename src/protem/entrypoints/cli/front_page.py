"""What ``protem`` and ``protem --help`` print, without loading anything.

Here: every command's name and summary, by section; the one list of what exists. Not here: the
commands.
"""

from __future__ import annotations

SECTIONS: dict[str, dict[str, str]] = {
    "Debug": {
        "run": "ask for what a command needs, run it, give it back",
        "plan": "dry run: what the command needs, what policy says; touches nothing",
        "psql": "open psql under a profile, or run what the arguments say",
        "extend": "ask for more time on a grant",
        "end": "give a grant back now",
    },
    "Who am I, what have I got": {
        "login": "sign in from a browser, as a job, or with a token",
        "logout": "sign out and forget the token",
        "status": "who, where, which grants, what waits",
        "can": "what may I ask for",
        "watch": "a live board of grants and of what waits",
        "prompt": "one segment for the shell prompt",
    },
    "Review and administer": {
        "request": "list, show, approve, deny, discuss, cancel requests",
        "delegate": "who answers in my place while I am away",
        "key": "your keys for signing approvals",
        "oncall": "who is on call, and how old that answer is",
        "review": "what was done behind broken glass, and the verdict on it",
        "grant": "list, show, revoke grants",
        "target": "list and check targets",
        "policy": "test, explain, lint and replay policies",
        "audit": "follow, verify, prove and export the log",
        "doctor": "what needs attention, with a next step each",
        "sweep": "end what is past its deadline at a target; needs no server",
        "server": "the control plane",
        "demo": "an elevation end to end on this machine",
    },
    "About": {
        "help": "topics: exit-codes, environment, formatting",
        "completion": "completion for bash, zsh and fish",
        "version": "print the version",
    },
}

_EXAMPLES = """\
Examples:
  protem plan --on orders-db -- psql -c "select id, status from shop.orders"
  protem run --on orders-db --for 15m --why INC-421 -- psql -c "select ..."
  protem plan --on postgresql://me@db/shop -- psql -f query.sql   (no server needed)
"""

_OPTIONS = """\
Options, before or after the command:
  -o, --output [table|json|yaml]   format of the data on standard output
  --color [auto|always|never]      when to use colour
  --server URL                     the control plane to talk to
  --no-input                       never ask anything
  --debug                          show tracebacks
  --version                        print the version
  -h, --help                       this page; protem COMMAND --help for a command's own
"""


def front_page() -> str:
    """Return the whole page."""
    parts = ["Usage: protem [OPTIONS] COMMAND [ARGS]...\n\n"]
    parts.append("The privilege one debugging command needs, for as long as it needs it.\n\n")
    parts.append(_EXAMPLES)
    for title, commands in SECTIONS.items():
        parts.append(f"\n{title}:\n")
        parts.extend(f"  {name:<11} {summary}\n" for name, summary in commands.items())
    parts.append("\n" + _OPTIONS)
    return "".join(parts)

"""Write `docs/reference/rules.md`: how a rules file is built, from the classes that read it.

Responsible for the page.
"""

from __future__ import annotations

import tomllib
from typing import Final

from reference.systems_page import parameter_table, table
from segmenters.describe import parameters, summary
from segmenters.mistakes import find
from segmenters.rules import DEFAULT_PACK, PLAYS, EngineRules
from segmenters.systems import OWN

_HEAD: Final = """\
# The rules file

Generated from the code by `scripts/reference`. One TOML file says which systems judge customers,
and by what. Copy [rules/default.toml](../../rules/default.toml), change what you need, then:

```sh
rewake validate rules.toml            # what it enables, or every mistake with its path
rewake replay events.csv.gz --rules rules.toml --out changes.jsonl   # what it would have told
REWAKE_RULES=rules.toml rewake worker
```

Without a file the default pack runs: {pack}.

The file's digest, `rules_version`, stands in every
change; comments, order and how a number is written do not alter it. What a worker does when it
starts under other rules than its state was judged by is in
[decisions/0012](../decisions/0012-rules-change-between-restarts.md).

A file has three tables. A key that is not known, a value of another type or outside its range, and
parameters that contradict each other are refused with their path, what came and what is allowed;
nothing is guessed or ignored.
"""
_SYSTEMS: Final = """
## [systems]

A table enables a system, an empty one with all defaults; at least one is needed. The parameters of
each are in [systems.md](systems.md). Further systems come with packages that declare an entry
point in the group `rewake.systems`: see [CONTRIBUTING.md](../../CONTRIBUTING.md).
"""
_PLAYS: Final = """
## [plays]

A play is the strategy suggested for a change, in both languages; it stands in the change message.
The key is `"system:segment"` or, for one way into it, `"system:from>to"`, which goes before. Only
changes made by events and by time carry one. A file adds to these and replaces them:
"""

_REFUSED: Final = """
## What is refused

`rewake validate` tells all mistakes of a file at once, and exits with 2; with `--json` they are
`{"valid": false, "mistakes": [{"path": …, "error": …}]}`. Every other command ends at the first.
This file:
"""
_WRONG: Final = """\
[engine]
base = "GBP"
business_timezone = "Mars"
rates = { EUR = 0.86 }

[systems.lifecycel]

[systems.lifecycle]
new_days = "thirty"
wake_days = 0

[systems.monetary_tier]
thresholds = { large = 500, medium = 1000 }

[systems.rfm]
map = "D"

[plays]
"lifecycle:asleep" = { zh = "唤醒", en = "Wake" }
"""


def write() -> str:
    """Return the text of the page."""
    pack = ", ".join(f"`{key}`" for key in DEFAULT_PACK if key in OWN)
    lines = [_HEAD.format(pack=pack), "## [engine]", "", "What holds for all systems.", ""]
    lines += parameter_table(parameters(EngineRules))
    lines += [_SYSTEMS]
    systems = sorted(OWN.values(), key=lambda system: system.number)
    rows = [(f"`[systems.{each.key}]`", each.title.zh, summary(each)) for each in systems]
    lines += table(("table", "中文", "what it tells apart"), rows)
    lines += [_PLAYS]
    plays = [(f'`"{name}"`', words.zh, words.en) for name, words in PLAYS.items()]
    lines += table(("change", "中文", "English"), plays)
    lines += [_REFUSED, "```toml", _WRONG.rstrip(), "```", "", "is answered with:", "", "```"]
    lines += [str(mistake) for mistake in find(tomllib.loads(_WRONG))]
    return "\n".join([*lines, "```"]) + "\n"

"""Resume Faust's queues without emptying them.

Responsible for that one difference. Must not do more.
"""

from __future__ import annotations

from mode.utils.queues import FlowControlEvent


class KeepingFlow(FlowControlEvent):
    """Flow control whose `resume` keeps what is queued.

    Faust's clears every queue when it resumes, changelog chunks already read included, and nothing
    fetches them again.
    """

    def resume(self) -> None:
        """Let producers put into the queues again."""
        self._suspend.clear()
        self._resume.set()

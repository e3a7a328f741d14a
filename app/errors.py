"""The one error that people see."""


class UserError(Exception):
    """Something that the person can understand and act on.

    `code` is a stable identifier for programs and tests; `sentence` is one plain sentence that says what is wrong and,
    where there is something to do, what. Everything that a photo or a file can do wrong ends as one of these.
    """

    def __init__(self, code: str, sentence: str):
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Cancelled(Exception):
    """The person cancelled the work. Raised out of `Pipeline.run`; nothing is left behind."""

"""What schemathesis cannot know by itself: how lines of JSON are sent."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(_context, value):
    """A batch is text; what is no text is one line of it."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", errors="replace")

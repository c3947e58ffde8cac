"""``python -m factorgraph.pages > docs/errors.md``."""

from __future__ import annotations

import sys

from factorgraph.pages.registry import pages_as_markdown

sys.stdout.buffer.write(pages_as_markdown().encode())

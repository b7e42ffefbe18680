"""The checks, one module each. A check that is not in this list does not exist."""

from webhook.checks import image_pinned, run_as_non_root
from webhook.checks.check import check_type

CHECKS = {
    check.id: check
    for check in (
        check_type(image_pinned),
        check_type(run_as_non_root),
    )
}

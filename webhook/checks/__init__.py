"""The checks, one module each. A check that is not in this list does not exist."""

from webhook.checks import (
    image_age,
    image_end_of_life,
    image_pinned,
    image_size,
    image_vulnerabilities,
    run_as_non_root,
)
from webhook.checks.check import check_type

CHECKS = {
    check.id: check
    for check in (
        check_type(image_age),
        check_type(image_end_of_life),
        check_type(image_pinned),
        check_type(image_size),
        check_type(image_vulnerabilities),
        check_type(run_as_non_root),
    )
}

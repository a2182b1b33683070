"""Runs the OASIS stix2-validator over the files named as arguments.

Prints one JSON array with one entry per file: `file`, `errors` and `warnings`,
both lists of text. All checks of the validator are on, also the strict ones;
`stix.rs` decides which warnings it accepts. A file that cannot be read or
checked has an entry with an error: nothing is left out.
"""

import json
import sys

from stix2validator import ValidationOptions, validate_file


def check(path):
    """The validator's findings for one file."""
    options = ValidationOptions(version="2.1", strict_types=True, strict_properties=True)
    try:
        result = validate_file(path, options)
        findings = result.object_results
        errors = [str(error) for one in findings for error in one.errors]
        if result.fatal:
            errors.append(str(result.fatal.error))
        if not result.is_valid and not errors:
            errors.append("not valid, and the validator gives no reason")
        if not findings and not errors:
            errors.append("the validator checked nothing in this file")
        warnings = [str(warning) for one in findings for warning in one.warnings]
    except Exception as error:  # one bad file must not hide the others
        errors, warnings = [f"{type(error).__name__}: {error}"], []
    return {"file": path, "errors": errors, "warnings": warnings}


if __name__ == "__main__":
    json.dump([check(path) for path in sys.argv[1:]], sys.stdout)

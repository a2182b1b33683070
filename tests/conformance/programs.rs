//! Programs of others that must succeed.

use std::process::Command;

/// Standard output of a command that must succeed; else the end of what it wrote to standard error.
pub fn call(command: &mut Command) -> Result<String, String> {
    let output = run(command)?;
    String::from_utf8(output).map_err(|error| error.to_string())
}

/// As [`call`], for any bytes; none if the command writes elsewhere.
pub fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.trim().lines().last().unwrap_or("no message");
        return Err(format!("{program}: {}: {last}", output.status));
    }
    Ok(output.stdout)
}

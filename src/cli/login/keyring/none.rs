//! A system whose keyring this program does not know.

use secrecy::SecretString;

use super::Problem;

fn none<T>() -> Result<T, Problem> {
    Err(Problem::Absent(format!("none is known on {}", std::env::consts::OS)))
}

pub(super) fn read(_: &[String]) -> Result<Vec<SecretString>, Problem> {
    none()
}

pub(super) fn write(_: &str, _: &SecretString) -> Result<(), Problem> {
    none()
}

pub(super) fn delete(_: &[String]) -> Result<(), Problem> {
    none()
}

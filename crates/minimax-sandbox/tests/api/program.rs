//! The program `minimax-sandbox`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::read;

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_minimax-sandbox"));
    command.args(arguments);
    command
}

#[tokio::test]
async fn the_program_prints_the_environment_for_a_client_and_serves() {
    let world = super::World::new().await;
    let mut child = program(&["--key", "sk-only-this", "--polls", "0", "--seconds", "0"]);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut program = Program(child);
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let host = lines.next().unwrap();
    let url = host.strip_prefix("MINIMAX_API_HOST=").unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(lines.next().unwrap(), "MINIMAX_API_KEY=sk-only-this");
    let models = async |key: &str| {
        read(world.client.get(format!("{url}/v1/models")).bearer_auth(key).send().await.unwrap()).await.0
    };
    assert_eq!((models("sk-only-this").await, models("sk-other").await), (200, 401));
    let pace = json!({"polls": 0, "seconds": 0.0, "delay_ms": 0, "link_seconds": Value::Null});
    let set = world.client.post(format!("{url}/_sandbox/pace")).body("{\"polls\": 0, \"seconds\": 0}");
    assert_eq!(read(set.send().await.unwrap()).await, (200, pace));
}

#[test]
fn the_program_listens_to_this_machine_only_and_says_so() {
    for (arguments, expected) in [
        (["--listen", "0.0.0.0:9000"], "must be 127.0.0.1 and a port, such as 127.0.0.1:9000"),
        (["--listen", "9000"], "must be 127.0.0.1 and a port, such as 127.0.0.1:9000"),
        (["--seconds", "-1"], "must be a number from 0 on, such as 1.5"),
        (["--seconds", "nan"], "must be a number from 0 on, such as 1.5"),
    ] {
        let arguments = [format!("{}={}", arguments[0], arguments[1])];
        let output = program(&arguments.each_ref().map(String::as_str)).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

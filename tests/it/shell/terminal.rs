//! Signals and terminals on Unix.

use super::*;

mod interrupted {
    use std::time::{Duration, Instant};

    use rustix::process::Signal;

    use super::*;

    /// Starts a command, sends a signal once the sandbox has this many paid requests, and returns its output.
    fn interrupt(stage: &Stage, arguments: &[&str], paid: usize, signal: Signal) -> Output {
        let mut child =
            command(stage, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while stage.sandbox.requests().iter().filter(|request| request.method == "POST").count() < paid {
            assert!(Instant::now() < end && child.try_wait().unwrap().is_none(), "the order never left");
            std::thread::sleep(Duration::from_millis(20));
        }
        // The answer takes a moment to arrive and to be recorded.
        std::thread::sleep(Duration::from_millis(300));
        let id = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
        child.wait_with_output().unwrap()
    }

    fn job_in(output: &Output) -> String {
        let said = stderr(output);
        let (_, rest) = said.split_once("minimax-mcp wait ").unwrap_or_else(|| panic!("{said}"));
        rest.split('`').next().unwrap().to_owned()
    }

    #[test]
    fn ctrl_c_names_the_job_which_is_found_and_finished_later() {
        on_stage(|stage| {
            let mut pace = crate::harness::quick();
            pace.polls = 1_000_000;
            stage.sandbox.set_pace(pace);
            let arguments = ["call", "generate_video", "prompt=A fox"];
            let output = interrupt(stage, &arguments, 1, Signal::INT);
            failed(&output, &arguments, 130);
            let id = job_in(&output);
            assert!(good(stage, &["jobs"]).contains(&id));
            let waiting = ["wait", &id];
            stage.sandbox.set_pace(crate::harness::quick());
            let path = good(stage, &[waiting[0], waiting[1], "-q"]);
            assert!(Path::new(path.trim()).is_file(), "{path}");
            assert_eq!(stage.sandbox.paid().len(), 1);
        });
    }

    #[test]
    fn a_paid_answer_that_is_on_its_way_is_kept_after_ctrl_c_and_after_sigterm() {
        on_stage(|stage| {
            let mut pace = crate::harness::quick();
            pace.delay_ms = 3000;
            stage.sandbox.set_pace(pace);
            let arguments = ["call", "text_to_image", "prompt=A fox"];
            for (bought, signal) in [(1, Signal::INT), (2, Signal::TERM)] {
                let output = interrupt(stage, &arguments, bought, signal);
                failed(&output, &arguments, 130);
                let id = job_in(&output);
                let path = good(stage, &["wait", &id, "-q"]);
                assert!(Path::new(path.trim()).is_file(), "{path}");
                assert_eq!(stage.sandbox.paid().len(), bought);
            }
        });
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_paid_result_that_stdout_cannot_take_is_on_stderr() {
    on_stage(|stage| {
        for (arguments, part) in [
            (["call", "chat", "prompt=Good morning"], "**You said:** Good morning"),
            (["call", "text_to_image", "prompt=A fox"], "job_id image-"),
        ] {
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let output = command(stage, &arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
            let output = output.wait_with_output().unwrap();
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("stdout cannot be written") && said.contains(part), "{said}");
        }
    });
}

mod asked {
    use std::fs::{File, OpenOptions};
    use std::io::{Read as _, Write as _};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// Runs a purchase with a terminal as stdin and stderr, and answers its question. Returns the output, and what the
    /// terminal showed.
    fn answered(stage: &Stage, answer: &str) -> (Output, String) {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let terminal = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut controller = File::from(controller);
        let child = command(stage, &["call", "text_to_image", "prompt=A fox"])
            .env("MINIMAX_CONFIRM_ABOVE", "0")
            .stdin(terminal())
            .stderr(terminal())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut screen, mut bytes) = (String::new(), [0; 1024]);
        while !screen.contains("[y/N]") {
            let length = controller.read(&mut bytes).unwrap();
            screen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        controller.write_all(answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        // The end is an error on some systems, and nothing on others.
        while let Ok(length @ 1..) = controller.read(&mut bytes) {
            screen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        (output, screen)
    }

    #[test]
    fn a_person_at_the_terminal_is_asked_for_consent_and_only_yes_buys() {
        on_stage(|stage| {
            for no in ["n\n", "\n", "yellow\n"] {
                let (output, screen) = answered(stage, no);
                assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(4), ""), "{screen}");
                assert!(screen.contains("A fox") && screen.contains('$'), "{screen}");
            }
            assert!(stage.sandbox.paid().is_empty());
            let (output, screen) = answered(stage, "y\n");
            assert_eq!(output.status.code(), Some(0), "{screen}");
            assert!(stdout(&output).contains("succeeded"), "{screen}");
            assert_eq!(stage.sandbox.paid().len(), 1);
            let (_, after) = screen.split_once("[y/N]").unwrap();
            assert!(after.contains("image: "), "progress is shown on a terminal: {screen}");
        });
    }
}

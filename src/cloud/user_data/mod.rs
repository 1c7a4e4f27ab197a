//! The cluster that an instance's user data writes to `/etc/ecs/ecs.config`, read as cloud-init, a shell and the ECS agent
//! read it. Nothing is run: of commands, only what they print and where that goes is followed.
//!
//! cloud-init unpacks gzip (cloud-init's documentation, "User data formats"), base64 (canonical/cloud-init#1276) and MIME
//! parts, and goes by how each begins: `#!` is a script, `#cloud-config` a configuration; what begins otherwise is passed
//! over. The agent's file has a variable a line (ECS Developer Guide, "Amazon ECS container agent configuration").

mod cloud_config;
mod shell;

use std::io::Read;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use mailparse::ParsedMail;

use shell::Files;

const CONFIG: &str = "/etc/ecs/ecs.config";

/// What is unpacked of user data, whose own limit is 16 KiB, at most.
const MOST_UNPACKED: u64 = 1024 * 1024;

/// MIME parts may have parts of their own.
const MAX_DEPTH: usize = 4;

/// The cluster that the agent is told to join. None: it is told of none, and joins `default`.
pub(crate) fn cluster(user_data: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    unpack(user_data, None, MAX_DEPTH, &mut parts);
    let mut files = Files::default();
    // cloud-init's own order: boot hooks, the configuration's files, the scripts, and the configuration's commands.
    for (_, text) in parts.iter().filter(|(kind, _)| *kind == Kind::BootHook) {
        shell::follow(text.trim_start_matches("#cloud-boothook"), &mut files);
    }
    let configuration =
        cloud_config::merged(parts.iter().filter(|(kind, _)| *kind == Kind::CloudConfig).map(|(_, t)| t));
    configuration.before_scripts(&mut files);
    for (_, text) in parts.iter().filter(|(kind, text)| *kind == Kind::Script && is_shell(text)) {
        shell::follow(text, &mut files);
    }
    configuration.after_scripts(&mut files);
    cluster_of_config(files.get(CONFIG)?)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Script,
    BootHook,
    CloudConfig,
}

impl Kind {
    /// By its MIME type, or by how it begins, which counts for plain text.
    fn of(mime_type: Option<&str>, text: &str) -> Option<Self> {
        match mime_type {
            Some("text/x-shellscript" | "text/x-shellscript-per-boot" | "text/x-shellscript-per-instance") => {
                Some(Self::Script)
            }
            Some("text/cloud-boothook") => Some(Self::BootHook),
            Some("text/cloud-config") => Some(Self::CloudConfig),
            _ => [("#!", Self::Script), ("#cloud-boothook", Self::BootHook), ("#cloud-config", Self::CloudConfig)]
                .into_iter()
                .find_map(|(beginning, kind)| text.trim_start().starts_with(beginning).then_some(kind)),
        }
    }
}

/// Adds the parts of user data, unpacked. What is no text is no part.
fn unpack(data: &[u8], mime_type: Option<&str>, depth: usize, parts: &mut Vec<(Kind, String)>) {
    if depth == 0 {
        return;
    }
    if data.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        if MultiGzDecoder::new(data).take(MOST_UNPACKED).read_to_end(&mut unpacked).is_ok() {
            unpack(&unpacked, mime_type, depth - 1, parts);
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = text.replace("\r\n", "\n");
    let is_mime = |text: &str| {
        text.trim_start().get(..13).is_some_and(|start| {
            start.eq_ignore_ascii_case("content-type:") || start.eq_ignore_ascii_case("mime-version:")
        })
    };
    if mime_type.is_none_or(|mime_type| mime_type.starts_with("multipart/")) && is_mime(&text) {
        if let Ok(message) = mailparse::parse_mail(text.trim_start().as_bytes()) {
            unpack_message(&message, depth - 1, parts);
        }
    } else if let Some(kind) = Kind::of(mime_type, &text) {
        parts.push((kind, text));
    } else if mime_type.is_none()
        && let Some(decoded) = base64(&text)
    {
        unpack(&decoded, None, depth - 1, parts);
    }
}

fn unpack_message(message: &ParsedMail<'_>, depth: usize, parts: &mut Vec<(Kind, String)>) {
    if message.subparts.is_empty()
        && let Ok(body) = message.get_body_raw()
    {
        unpack(&body, Some(&message.ctype.mimetype), depth, parts);
    }
    for part in message.subparts.iter().filter(|_| depth > 0) {
        unpack_message(part, depth - 1, parts);
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let letters: String = text.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(letters).ok().filter(|decoded| !decoded.is_empty())
}

/// Without `#!` in its first line a script is not run, since the kernel does not know what by.
fn is_shell(script: &str) -> bool {
    let Some(line) = script.strip_prefix("#!").and_then(|rest| rest.lines().next()) else { return false };
    let names = ["sh", "bash", "dash", "ash", "ksh", "zsh"];
    line.split_ascii_whitespace().any(|word| word.rsplit('/').next().is_some_and(|name| names.contains(&name)))
}

/// The last `ECS_CLUSTER` of the agent's file; quotes are not part of it, and lines that begin with `#` are comments.
fn cluster_of_config(config: &str) -> Option<String> {
    let mut assignments = config.lines().filter_map(|line| line.trim().split_once('='));
    let (_, value) = assignments.rfind(|(name, _)| name.trim_end() == "ECS_CLUSTER")?;
    let value = value.trim();
    let bare = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some(bare.unwrap_or(value).to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn assert_cluster(user_data: &str, expected: Option<&str>) {
        assert_eq!(cluster(user_data.as_bytes()).as_deref(), expected, "{user_data}");
    }

    #[test]
    fn the_cluster_is_what_a_shell_would_write_to_the_agents_file() {
        let article = "#!/bin/bash\nset -e\necho ECS_CLUSTER=az-aware-cluster-ec2 >> /etc/ecs/ecs.config\n";
        assert_cluster(article, Some("az-aware-cluster-ec2"));
        for commands in [
            "echo \"ECS_CLUSTER=one\" >> /etc/ecs/ecs.config",
            "echo 'ECS_CLUSTER=one' > /etc/ecs/ecs.config",
            "echo ECS_CLUSTER=\"one\" >>/etc/ecs/ecs.config # the cluster",
            "echo ECS_CLUSTER='\"one\"' >> /etc/ecs/ecs.config",
            "echo -e \"ECS_LOGLEVEL=debug\\nECS_CLUSTER=one\\n\" >> /etc/ecs/ecs.config",
            "printf 'ECS_CLUSTER=%s\\n' one >> /etc/ecs/ecs.config",
            "cat <<EOF >> /etc/ecs/ecs.config\nECS_CLUSTER=one\nECS_LOGLEVEL=debug\nEOF",
            "cat <<-'EOF' | sudo tee -a /etc/ecs/ecs.config > /dev/null\n\tECS_CLUSTER=one\n\tEOF\necho done",
            "cat >> /etc/ecs/ecs.config << 'END'\nECS_CLUSTER=one\nEND\n",
            "CLUSTER=one\necho \"ECS_CLUSTER=${CLUSTER}\" >> /etc/ecs/ecs.config",
            "export CLUSTER='one'; echo ECS_CLUSTER=$CLUSTER >> /etc/ecs/ecs.config",
            "echo ECS_CLUSTER=${NAME:-one} >> /etc/ecs/ecs.config",
            "{\n  echo ECS_CLUSTER=one\n  echo ECS_LOGLEVEL=debug\n} >> /etc/ecs/ecs.config",
            "(echo ECS_CLUSTER=one; echo ECS_LOGLEVEL=debug) > /etc/ecs/ecs.config",
            "if [ -d /etc/ecs ]; then echo ECS_CLUSTER=one >> /etc/ecs/ecs.config; fi",
            "echo ECS_CLUSTER=one > /tmp/c && mv /tmp/c /etc/ecs/ecs.config",
            "sudo bash -c \"echo 'ECS_CLUSTER=one' >> /etc/ecs/ecs.config\"",
            "tee /etc/ecs/ecs.config <<< ECS_CLUSTER=one",
            "echo ECS_CLUSTER=\\\n'one' >> /etc/ecs/ecs.config",
            "mkdir -p /etc/ecs; \\\n  echo ECS_CLUSTER=one >> /etc/ecs/ecs.config 2>&1",
            // The last one counts, and comments do not.
            "echo ECS_CLUSTER=two >> /etc/ecs/ecs.config\necho ECS_CLUSTER=one >> /etc/ecs/ecs.config",
            "echo ECS_CLUSTER=one >> /etc/ecs/ecs.config\n# echo ECS_CLUSTER=two >> /etc/ecs/ecs.config",
            "echo ECS_CLUSTER=one >> /etc/ecs/ecs.config\necho '#ECS_CLUSTER=two' >> /etc/ecs/ecs.config",
            "echo ECS_CLUSTER=one >> /etc/ecs/ecs.config\necho ECS_CLUSTER=two >> /tmp/notes; echo ECS_CLUSTER=three",
        ] {
            assert_cluster(&format!("#!/bin/bash -xe\n{commands}\n"), Some("one"));
        }
    }

    #[test]
    fn what_names_no_cluster_leaves_the_agent_at_default() {
        for user_data in [
            "",
            "#!/bin/sh\n",
            "#!/bin/sh\necho ECS_CLUSTER= >> /etc/ecs/ecs.config\n",
            "#!/bin/sh\necho ECS_CLUSTER=one\n",
            "#!/bin/sh\nexport ECS_CLUSTER=one\n",
            "#!/bin/sh\necho MY_ECS_CLUSTER=one >> /etc/ecs/ecs.config\n",
            "#!/bin/sh\necho ECS_CLUSTER=one >> /etc/ecs/ecs.config\necho ECS_LOGLEVEL=debug > /etc/ecs/ecs.config\n",
            // None of these is run: no interpreter, a byte order mark or a blank line before it.
            "echo ECS_CLUSTER=one >> /etc/ecs/ecs.config\n",
            "\u{feff}#!/bin/sh\necho ECS_CLUSTER=one >> /etc/ecs/ecs.config\n",
            "\n#!/bin/sh\necho ECS_CLUSTER=one >> /etc/ecs/ecs.config\n",
        ] {
            assert_cluster(user_data, None);
        }
    }

    #[test]
    fn user_data_that_ends_in_the_middle_is_read_to_its_end() {
        for script in
            ["echo \"a", "echo 'a", "cat <<EOF\na", "echo $(", "echo `", "echo ${", "echo $", "a \\", "}", "<<"]
        {
            assert_cluster(&format!("#!/bin/sh\n{script}"), None);
        }
        for config in ["a:", "a: [", "- - -", "a: |", "write_files:\n - path", "\"", "runcmd:\n- [\"a"] {
            assert_cluster(&format!("#cloud-config\n{config}"), None);
        }
        for message in ["Content-Type:", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n--b"] {
            assert_cluster(message, None);
        }
    }

    #[test]
    fn a_script_that_makes_ever_more_comes_to_an_end() {
        let many = |line: &str, times| line.repeat(times);
        for commands in [
            "printf % s".to_owned(),
            format!("printf {} {}", many("%%", 5_000), many("s ", 50_000)),
            format!("a=x\n{}", many("a=$a$a\n", 100)),
            format!("echo x > f\n{}", many("cat f f > f\n", 100)),
            format!("echo x > f\n{}", many("cat f | tee -a f f\n", 100)),
            format!("a=x\n{}", many("eval a=$a$a\n", 100)),
            format!("cat {}", many("<<x ", 100_000)),
            many("{ ", 400_000),
            many("sudo ", 100_000),
        ] {
            let script = format!("#!/bin/sh\n{commands}\necho ECS_CLUSTER= > /etc/ecs/ecs.config\n");
            assert_eq!(cluster(&gzip(script.as_bytes())), None);
        }
    }

    #[test]
    fn a_configuration_repeats_itself_so_often_and_no_more() {
        let command = "echo ECS_CLUSTER=one >> /etc/ecs/ecs.config";
        assert_cluster(&format!("#cloud-config\nlines: &lines\n- {command}\nruncmd: *lines\n"), Some("one"));
        let mut config = format!("#cloud-config\nl0: &l0\n- {command}\n");
        for level in 1..8 {
            config += &format!("l{level}: &l{level} [{}]\n", vec![format!("*l{}", level - 1); 9].join(", "));
        }
        assert_cluster(&format!("{config}runcmd: *l0\n"), None);
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let script = "#!/bin/sh\necho ECS_CLUSTER=one >> /etc/ecs/ecs.config\n";
        assert_eq!(cluster(&gzip(script.as_bytes())).as_deref(), Some("one"));
        assert_cluster(&BASE64_STANDARD.encode(script), Some("one"));
        assert_cluster(&script.replace('\n', "\r\n"), Some("one"));
        let mime = format!(
            "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n--==B==\n\
             Content-Type: text/cloud-boothook; charset=\"us-ascii\"\n\n\
             #cloud-boothook\necho ECS_CLUSTER=two >> /etc/ecs/ecs.config\n--==B==\n\
             Content-Type: text/x-shellscript;\n charset=\"us-ascii\"\nContent-Transfer-Encoding: base64\n\n{}\n--==B==--\n",
            BASE64_STANDARD.encode(script)
        );
        assert_cluster(&mime, Some("one"));
        assert_eq!(cluster(&gzip(mime.as_bytes())).as_deref(), Some("one"));
        let plain = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{script}--b--\n");
        assert_cluster(&plain, Some("one"));
    }

    #[test]
    fn a_cloud_configs_files_and_commands_are_read() {
        for config in [
            "runcmd:\n  - echo ECS_CLUSTER=one >> /etc/ecs/ecs.config\n",
            "runcmd:\n- [sh, -c, \"echo ECS_CLUSTER=one >> /etc/ecs/ecs.config\"]\n- touch /done\n",
            "runcmd:\n- - sh\n  - -c\n  - 'echo ECS_CLUSTER=one >> /etc/ecs/ecs.config'\n",
            "bootcmd:\n- |\n  mkdir -p /etc/ecs\n  echo ECS_CLUSTER=one >> /etc/ecs/ecs.config\n",
            "repo_update: true # first\nwrite_files:\n  - path: /etc/ecs/ecs.config\n    permissions: '0644'\n    content: |\n      ECS_CLUSTER=one\n      ECS_LOGLEVEL=debug\nruncmd:\n  - [ systemctl, start, ecs ]\n",
            "write_files:\n- content: ECS_CLUSTER=one\n  owner: root:root\n  path: \"/etc/ecs/ecs.config\"\n",
            "write_files:\n- encoding: b64\n  content: RUNTX0NMVVNURVI9b25lCg==\n  path: /etc/ecs/ecs.config\n",
            "{\"write_files\": [{\"path\": \"/etc/ecs/ecs.config\",\n  \"content\": \"ECS_CLUSTER=one\\n\"}]}\n",
            "write_files:\n- path: /etc/ecs/ecs.config\n  content: >-\n    ECS_CLUSTER=one\n",
            "write_files:\n- path: /etc/ecs/ecs.config\n  content: ECS_LOGLEVEL=debug\\n\n- {path: /etc/ecs/ecs.config, append: true, content: \"\\nECS_CLUSTER=one\"}\n",
        ] {
            assert_cluster(&format!("#cloud-config\n{config}"), Some("one"));
        }
        assert_cluster(
            "#cloud-config\nwrite_files:\n- path: /etc/ecs/ecs.config\n  content: |\n    #ECS_CLUSTER=one\n",
            None,
        );
    }
}

//! A `#cloud-config`: the files that it writes and the commands that it runs (cloud-init's documentation, "Module
//! reference": bootcmd, write_files, runcmd).

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};

use super::shell::{self, Files};
use super::{MOST_UNPACKED, base64};
use crate::cloud::wire::Params;

/// What aliases repeat, in the parser's events, at most: aliases of lists of aliases make a million of some lines.
const MOST_REPEATED: usize = 10_000;

/// All parts in one; of equal members the later counts (cloud-init's documentation, "Merging user data sections").
pub(super) struct CloudConfig(Map<String, Value>);

pub(super) fn merged<'t>(parts: impl Iterator<Item = &'t String>) -> CloudConfig {
    let mut members = Map::new();
    for part in parts {
        let options = serde_saphyr::options! { alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED } };
        // cloud-init passes over one that it cannot read, too, with a warning in its log.
        if let Ok(Value::Object(part)) = serde_saphyr::from_str_with_options(part, options) {
            members.extend(part);
        }
    }
    CloudConfig(members)
}

impl CloudConfig {
    pub(super) fn before_scripts(&self, files: &mut Files) {
        self.follow("bootcmd", files);
        for file in Params::new(&self.0).objects("write_files") {
            if let (Some(path), Some(content)) = (file.opt_str("path"), content(file)) {
                files.write(path, &content, file.opt_bool("append") == Some(true));
            }
        }
    }

    pub(super) fn after_scripts(&self, files: &mut Files) {
        self.follow("runcmd", files);
    }

    /// Commands are lines for a shell, or a program with its arguments.
    fn follow(&self, list: &str, files: &mut Files) {
        let commands = self.0.get(list).and_then(Value::as_array).into_iter().flatten();
        let lines = commands.filter_map(|command| match command {
            Value::String(line) => Some(line.clone()),
            Value::Array(words) => {
                let quoted = |word: &Value| {
                    let word = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
                    format!("'{}'", word.replace('\'', r"'\''"))
                };
                Some(words.iter().map(quoted).collect::<Vec<_>>().join(" "))
            }
            _ => None,
        });
        shell::follow(&lines.collect::<Vec<_>>().join("\n"), files);
    }
}

fn content(file: Params<'_>) -> Option<String> {
    let content = file.opt_str("content").unwrap_or_default();
    let encoding = file.opt_str("encoding").unwrap_or_default();
    let is_base64 = encoding.ends_with("b64") || encoding.ends_with("base64");
    let bytes = if is_base64 { base64(content)? } else { content.as_bytes().to_vec() };
    if !encoding.starts_with("gz") {
        return String::from_utf8(bytes).ok();
    }
    let mut unpacked = String::new();
    MultiGzDecoder::new(bytes.as_slice()).take(MOST_UNPACKED).read_to_string(&mut unpacked).ok()?;
    Some(unpacked)
}

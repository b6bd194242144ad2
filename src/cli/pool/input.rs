//! What a person gives: directories, files, standard input; and user names and passwords in files beside profiles.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use miette::miette;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::report::wrong_usage;
use crate::domain::candidate::{NAME_RULE, is_label};

/// More than any store takes for one candidate.
const MAXIMUM_BYTES: u64 = 1 << 20;

/// One profile or configuration, as it was found.
pub(in crate::cli) struct Profile {
    /// Its candidate's name.
    pub(in crate::cli) name: String,
    /// Where it was found, for messages.
    pub(in crate::cli) origin: String,
    /// Its text.
    pub(in crate::cli) text: SecretString,
    /// The user name and password for it.
    pub(in crate::cli) credentials: Credentials,
}

/// A user name and a password.
pub(in crate::cli) type Account = (SecretString, SecretString);

/// Where a profile's user name and password come from.
pub(in crate::cli) enum Credentials {
    /// A file of its own, whether it asks for them or not.
    Own(Account),
    /// The file for all, which counts where the profile asks for them and has none.
    Shared(Account),
    /// Nowhere but from the profile.
    None,
}

/// Reads all that is named; `name` is the candidate's where that is one text.
pub(in crate::cli) fn read(
    paths: &[PathBuf],
    name: Option<&str>,
    credentials: Option<&Path>,
) -> miette::Result<Vec<Profile>> {
    let shared = credentials.map(account).transpose()?;
    let mut found: BTreeMap<String, Profile> = BTreeMap::new();
    for (path, name) in named(paths, name)? {
        let origin = if is_stdin(&path) { "standard input".to_owned() } else { path.display().to_string() };
        if !is_label(&name) {
            return Err(miette!(
                "{origin}: {name:?} cannot name a candidate: {NAME_RULE}; rename the file, or say --name"
            ));
        }
        let own = path.with_extension("auth");
        let credentials = match &shared {
            _ if !is_stdin(&path) && own.exists() => Credentials::Own(account(&own)?),
            Some((user, password)) => Credentials::Shared((user.clone(), password.clone())),
            None => Credentials::None,
        };
        let profile = Profile { name: name.clone(), text: text(&path)?, origin, credentials };
        if let Some(other) = found.insert(name.clone(), profile) {
            let origin = &found[&name].origin;
            return Err(miette!("{} and {origin} would both be candidate {name:?}: rename one", other.origin));
        }
    }
    Ok(found.into_values().collect())
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Every file, with its candidate's name.
fn named(paths: &[PathBuf], name: Option<&str>) -> miette::Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(profiles_of(path)?);
        } else {
            files.push(path.clone());
        }
    }
    match (name, files.as_slice()) {
        (Some(name), [file]) => return Ok(vec![(file.clone(), name.to_owned())]),
        (Some(_), files) => {
            return Err(wrong_usage(format!(
                "--name names one candidate, but there are {}: leave it out",
                files.len()
            )));
        }
        (None, files) if files.iter().any(|file| is_stdin(file)) => {
            return Err(wrong_usage("standard input has no name: say --name NAME, and give nothing else"));
        }
        (None, _) => {}
    }
    let stem = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(files.into_iter().map(|file| (file.clone(), stem(&file))).collect())
}

fn profiles_of(directory: &Path) -> miette::Result<Vec<PathBuf>> {
    let cannot = |error| miette!("cannot read {}: {error}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|ending| ending == "ovpn" || ending == "conf") && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(miette!("{} holds no *.ovpn and no *.conf", directory.display()));
    }
    files.sort_unstable();
    Ok(files)
}

fn text(path: &Path) -> miette::Result<SecretString> {
    if is_stdin(path) {
        return text_of(std::io::stdin().lock(), "standard input");
    }
    let shown = path.display();
    let file = File::open(path).map_err(|error| miette!("cannot read {shown}: {error}"))?;
    text_of(file, &shown.to_string())
}

fn text_of(from: impl Read, shown: &str) -> miette::Result<SecretString> {
    let mut text = String::new();
    let read = from.take(MAXIMUM_BYTES + 1).read_to_string(&mut text);
    // Made a secret before anything can fail: the text is wiped when it goes.
    let text = SecretString::from(text);
    match read {
        Ok(bytes) if bytes as u64 > MAXIMUM_BYTES => {
            Err(miette!("{shown} is larger than 1 MiB, which is no profile and more than a pool takes"))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(miette!("{shown} is not text: a profile or configuration is UTF-8"))
        }
        Err(error) => Err(miette!("cannot read {shown}: {error}")),
    }
}

/// A file of user name and password, a line each.
fn account(path: &Path) -> miette::Result<Account> {
    let text = text(path)?;
    let text = text.expose_secret();
    // Editors on Windows write a byte order mark; a server would be sent it as part of the user name.
    let mut lines =
        text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::trim_end).filter(|line| !line.is_empty());
    match (lines.next(), lines.next(), lines.next()) {
        (Some(user), Some(password), None) => Ok((SecretString::from(user), SecretString::from(password))),
        _ => Err(miette!("{} must hold two lines: the user name, and the password", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn refusal(result: miette::Result<Vec<Profile>>) -> String {
        let said = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!said.is_empty() && !said.contains("CANARY"), "{said}");
        said
    }

    #[test]
    fn a_directory_is_its_profiles_by_name_with_their_accounts() {
        let files = [
            ("b.conf", "b"),
            ("a.ovpn", "a"),
            ("a.auth", "user\r\nCANARY\n"),
            ("c.tcp.ovpn", "c"),
            ("readme.txt", "x"),
            ("account", "all\nCANARY 2"),
        ];
        let directory = directory(&files);
        let read = read(&[directory.path().into()], None, Some(&directory.path().join("account"))).unwrap();
        let shown: Vec<_> = read
            .iter()
            .map(|Profile { name, text, credentials, .. }| {
                let account = match credentials {
                    Credentials::Own((user, password)) => {
                        format!("{}:{}", user.expose_secret(), password.expose_secret())
                    }
                    Credentials::Shared((user, _)) => format!("({})", user.expose_secret()),
                    Credentials::None => String::new(),
                };
                format!("{name} {} {account}", text.expose_secret())
            })
            .collect();
        assert_eq!(shown, ["a a user:CANARY", "b b (all)", "c.tcp c (all)"]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_user_name() {
        let directory =
            directory(&[("a.ovpn", "a"), ("a.auth", "\u{feff}user\r\nCANARY\r\n"), ("all", "\u{feff}all\nx")]);
        let at = |name: &str| directory.path().join(name);
        let read = read(&[at("a.ovpn")], None, Some(&at("all"))).unwrap();
        let Credentials::Own((user, password)) = &read[0].credentials else { panic!("should be its own") };
        assert_eq!((user.expose_secret(), password.expose_secret()), ("user", "CANARY"));
        assert_eq!(account(&at("all")).unwrap().0.expose_secret(), "all");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place_and_without_its_content() {
        let files = [
            ("a.ovpn", "x"),
            ("a.conf", "x"),
            ("us east.ovpn", "CANARY"),
            ("d.ovpn", "x"),
            ("d.auth", "CANARY"),
            ("z", ""),
        ];
        let directory = directory(&files);
        std::fs::write(directory.path().join("binary.ovpn"), [0xff, 0xfe]).unwrap();
        std::fs::write(directory.path().join("large.ovpn"), vec![b'x'; (1 << 20) + 1]).unwrap();
        std::fs::create_dir(directory.path().join("empty")).unwrap();
        let at = |name: &str| directory.path().join(name);
        for (paths, name, expected) in [
            (vec![at("a.ovpn"), at("a.conf")], None, "would both be candidate \"a\""),
            (vec![at("us east.ovpn")], None, "rename the file, or say --name"),
            (vec![at("a.ovpn")], Some("us east"), "cannot name a candidate"),
            (vec![at("a.ovpn"), at("d.ovpn")], Some("x"), "there are 2"),
            (vec!["-".into()], None, "say --name NAME"),
            (vec![at("d.ovpn")], None, "d.auth must hold two lines"),
            (vec![at("binary.ovpn")], None, "is not text"),
            (vec![at("large.ovpn")], None, "larger than 1 MiB"),
            (vec![at("missing.ovpn")], None, "cannot read"),
            (vec![at("empty")], None, "holds no *.ovpn and no *.conf"),
        ] {
            let said = refusal(read(&paths, name, None));
            assert!(said.contains(expected), "{said}");
        }
        let one = read(&[at("us east.ovpn")], Some("us-east"), None).unwrap();
        assert_eq!(one[0].name, "us-east");
    }
}

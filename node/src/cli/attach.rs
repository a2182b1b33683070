//! Files that go with a draft: hashed for a preview, handed over for a release.

use std::fs::File;
use std::path::{Path, PathBuf};

use testudo_crypto::attachment::{CONTENT_BYTES_MAX, hash_content};
use testudo_protocol::id::Hash;

use super::client::Client;
use super::outcome::{Failure, exit};
use crate::api::{AttachmentBody, StagedBody};

/// What a file is, by the ending of its name. Of what stands here browsers and viewers agree on the type.
const MEDIA_TYPES: [(&str, &str); 18] = [
    ("avif", "image/avif"),
    ("csv", "text/csv"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("gif", "image/gif"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("warc", "application/warc"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
];

/// For everything else.
const OCTETS: &str = "application/octet-stream";

/// What a preview says of the files: their names, what they are, and the hashes of their contents.
pub(super) fn described(files: &[PathBuf]) -> Result<Vec<AttachmentBody>, Failure> {
    (1..)
        .zip(files)
        .map(|(number, path)| describe(number, path))
        .collect()
}

fn describe(number: usize, path: &Path) -> Result<AttachmentBody, Failure> {
    let file = open(number, path)?;
    let content = hash_content(file, CONTENT_BYTES_MAX).map_err(|error| unreadable(number, &error))?;
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| {
        let sentence = format!("name of attachment {number} is not UTF-8; rename the file");
        Failure::new(exit::USAGE, "attachment-malformed", sentence)
    })?;
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let known = MEDIA_TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(ending));
    Ok(AttachmentBody {
        name: name.to_owned(),
        media_type: known.map_or(OCTETS, |(_, media_type)| media_type).to_owned(),
        bytes: content.bytes,
        hash: Hash::new(content.hash),
        staged: None,
    })
}

/// Hands the contents over to the hub, which seals them as they come.
pub(super) async fn hand_over(
    client: &Client,
    files: &[PathBuf],
    attachments: &mut [AttachmentBody],
) -> Result<(), Failure> {
    for ((number, path), attachment) in (1..).zip(files).zip(attachments) {
        let staged: StagedBody = client.upload("/v1/attachments", open(number, path)?).await?;
        attachment.staged = Some(staged.staged);
    }
    Ok(())
}

/// Errors name an attachment by its number: its name is content.
fn open(number: usize, path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| unreadable(number, &error))
}

fn unreadable(number: usize, error: &std::io::Error) -> Failure {
    Failure::new(
        exit::USAGE,
        "no-such-file",
        format!("cannot read attachment {number}: {error}"),
    )
}

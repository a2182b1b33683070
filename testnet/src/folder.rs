//! Where the demo keeps what it makes: a temporary folder, or the one that was named.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::fault::DemoError;
use crate::hub::Hub;

/// The folder of one run. A temporary one goes with the value, unless it is kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    /// A folder that goes when the run is over.
    ///
    /// # Errors
    /// [`DemoError::File`] if there is no room for it.
    pub fn temporary() -> Result<Self, DemoError> {
        let temporary = tempfile::Builder::new()
            .prefix("testudo-demo-")
            .tempdir()
            .map_err(|source| DemoError::File {
                path: std::env::temp_dir(),
                source,
            })?;
        Self {
            path: temporary.path().to_owned(),
            temporary: Some(temporary),
        }
        .furnished()
    }

    /// The folder that was named; it stays.
    ///
    /// # Errors
    /// [`DemoError::FolderInUse`] if something is in it, [`DemoError::File`] if it cannot be used.
    pub fn named(path: &Path) -> Result<Self, DemoError> {
        let failed = |source| DemoError::File {
            path: path.to_owned(),
            source,
        };
        match path.read_dir() {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(DemoError::FolderInUse {
                        folder: path.to_owned(),
                    });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let path = path.canonicalize().map_err(failed)?;
        Self {
            path,
            temporary: None,
        }
        .furnished()
    }

    fn furnished(self) -> Result<Self, DemoError> {
        let folders = [self.assessments(), self.logs(), self.taps()];
        for path in folders {
            std::fs::create_dir(&path).map_err(|source| DemoError::File { path, source })?;
        }
        Ok(self)
    }

    /// Leaves a temporary folder where it is.
    pub fn keep(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            self.path = temporary.keep();
        }
    }

    /// Whether it goes with the run.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The data folder of a hub, made by `testudo init`.
    pub fn data(&self, hub: Hub) -> PathBuf {
        self.path.join(hub.code())
    }

    /// The root key of a hub, beside its data folder: a demonstration has no second machine.
    pub fn root_key(&self, hub: Hub) -> PathBuf {
        self.path.join(format!("{}.root.key", hub.code()))
    }

    /// The charter while it is being signed.
    pub fn charter(&self) -> PathBuf {
        self.path.join("charter")
    }

    /// The bundles that are released.
    pub fn assessments(&self) -> PathBuf {
        self.path.join("assessments")
    }

    fn logs(&self) -> PathBuf {
        self.path.join("log")
    }

    /// What a hub says on standard error.
    pub fn log(&self, hub: Hub) -> PathBuf {
        self.logs().join(format!("{hub}.log"))
    }

    fn taps(&self) -> PathBuf {
        self.path.join("tap")
    }

    /// The bytes that a hub sent and received, and its canaries.
    pub fn tap(&self, hub: Hub) -> PathBuf {
        self.taps().join(hub.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_refused_and_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("mine");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("letter"), "dear").unwrap();
        let error = Folder::named(&folder).unwrap_err();
        assert!(error.is_usage());
        assert!(error.one_line().contains("is not empty"));
        assert_eq!(folder.read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_temporary_folder_goes_unless_it_is_kept() {
        let gone = Folder::temporary().unwrap().path().to_owned();
        assert!(!gone.exists());
        let mut folder = Folder::temporary().unwrap();
        folder.keep();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(path.exists());
        std::fs::remove_dir_all(path).unwrap();
    }
}

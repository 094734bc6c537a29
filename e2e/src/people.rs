//! Somebody who is signed in and uses the command line.

use aegis::local::tool::Tool;
use anyhow::Result;

/// A person with their own sign-in.
#[derive(Clone, Debug)]
pub struct Person(Tool);

impl Person {
    pub(crate) const fn new(tool: Tool) -> Self {
        Self(tool)
    }

    /// Runs a command of the program as this person; answers what it printed.
    ///
    /// # Errors
    ///
    /// When it fails or is refused, with its words.
    pub async fn aegis(&self, arguments: &[&str]) -> Result<String> {
        self.0.run(arguments, "").await
    }
}

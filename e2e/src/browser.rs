//! A real headless Chromium that uses the dashboard as a person does.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use aegis_xtask::servers;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::ChromeCapabilities;
use thirtyfour::prelude::*;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long the driver may take to start.
const START: Duration = Duration::from_secs(30);

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A wide dark screen.
    Dark,
    /// A wide light screen.
    Light,
    /// A telephone.
    Phone,
}

/// A browser with one page.
pub struct Browser {
    driver: WebDriver,
    shots: PathBuf,
    _process: Child,
    _home: TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When there is no Chromium, or it does not start.
    pub async fn start() -> Result<Self> {
        let found = tokio::task::spawn_blocking(servers::chromium).await??;
        let home = tempfile::tempdir()?;
        let port = aegis::local::ports::free()?.local_addr()?.port();
        let process = Command::new(&found.driver)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run `{}`", found.driver.display()))?;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&found.browser.display().to_string())?;
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1360,900",
        ] {
            wanted.add_arg(argument)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", home.path().display()))?;
        wanted.set(
            "goog:loggingPrefs".to_owned(),
            json!({"browser": "ALL", "performance": "ALL"}),
        )?;
        let driver = connected(port, wanted).await?;
        let shots = aegis_xtask::target().join("screenshots");
        std::fs::create_dir_all(&shots)?;
        Ok(Self {
            driver,
            shots,
            _process: process,
            _home: home,
        })
    }

    /// Goes to an address.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn open(&self, url: &str) -> Result<()> {
        Ok(self.driver.goto(url).await?)
    }

    /// Waits until a script's expression is neither false nor empty; answers it.
    ///
    /// # Errors
    ///
    /// When it stays so, with what the page says instead.
    pub async fn until(&self, what: &str, expression: &str, within: Duration) -> Result<Value> {
        let begun = Instant::now();
        let script = format!("return {expression};");
        loop {
            // While a page is being left there is nothing to ask.
            if let Ok(found) = self.driver.execute(script.as_str(), Vec::new()).await {
                let found = found.json().clone();
                if !matches!(&found, Value::Null | Value::Bool(false)) && found != json!("") {
                    return Ok(found);
                }
            }
            if begun.elapsed() > within {
                let text = "return location.href + '\\n' + document.body.innerText";
                let said = self.driver.execute(text, Vec::new()).await?;
                bail!("waited in vain for {what}; the page says: {}", said.json());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Types on the keyboard, wherever the focus is.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn keys(&self, keys: &str) -> Result<()> {
        Ok(self.driver.action_chain().send_keys(keys).perform().await?)
    }

    /// Clicks what a selector finds first.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let found = self.driver.find(By::Css(selector)).await;
        let found = found.with_context(|| format!("there is no `{selector}`"))?;
        Ok(found.click().await?)
    }

    /// Looks at pages so from now on.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn look(&self, look: Look) -> Result<()> {
        let scheme = if look == Look::Light { "light" } else { "dark" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let cdp = self.driver.cdp();
        cdp.send_raw("Emulation.setEmulatedMedia", json!({"features": features}))
            .await?;
        let (width, height, mobile) = match look {
            Look::Phone => (390, 844, true),
            Look::Dark | Look::Light => (1360, 900, false),
        };
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        cdp.send_raw("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        Ok(())
    }

    /// Leaves a picture of the page in `target/screenshots`.
    ///
    /// # Errors
    ///
    /// When it cannot be taken or written.
    pub async fn shoot(&self, name: &str) -> Result<()> {
        let file = self.shots.join(format!("{name}.png"));
        Ok(self.driver.screenshot(&file).await?)
    }

    /// Errors that pages wrote to the console since the last time.
    ///
    /// # Errors
    ///
    /// When the browser does not tell.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let log = self.driver.browser_log().await?;
        let severe = log.into_iter().filter(|entry| entry.level == "SEVERE");
        Ok(severe.map(|entry| entry.message).collect())
    }

    /// Addresses that pages asked for since the last time.
    ///
    /// # Errors
    ///
    /// When the browser does not tell.
    pub async fn asked_for(&self) -> Result<Vec<String>> {
        let log = self.driver.get_log("performance").await?;
        let mut asked = Vec::new();
        for entry in log {
            let event: Value = serde_json::from_str(&entry.message)?;
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent"
                && let Some(url) = event["params"]["request"]["url"].as_str()
            {
                asked.push(url.to_owned());
            }
        }
        Ok(asked)
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// When it does not end by itself.
    pub async fn quit(self) -> Result<()> {
        Ok(self.driver.quit().await?)
    }
}

/// A session at the driver, once it listens.
async fn connected(port: u16, wanted: ChromeCapabilities) -> Result<WebDriver> {
    let begun = Instant::now();
    loop {
        match WebDriver::new(format!("http://127.0.0.1:{port}"), wanted.clone()).await {
            Ok(driver) => return Ok(driver),
            Err(error) if begun.elapsed() > START => {
                return Err(error).context("Chromium does not start");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

//! Incidents, asks and escalations out to Slack, PagerDuty and webhooks.

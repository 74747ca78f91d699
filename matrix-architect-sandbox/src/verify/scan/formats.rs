//! The formats that are looked for: tokens whose issuers gave them a shape of their own so that
//! they can be found, and key material with a standard's frame (RFC 7468, RFC 7519).

use super::format::{
    Class::{Alnum, Base64, Hex, Upper, Url, Word},
    Format,
    Part::{self, Run, Text},
};

const fn token(rule: &'static str, what: &'static str, parts: &'static [Part]) -> Format {
    Format { rule, what, parts, random: true }
}

const fn frame(rule: &'static str, what: &'static str, parts: &'static [Part]) -> Format {
    Format { rule, what, parts, random: false }
}

pub(super) const FORMATS: &[Format] = &[
    token("age-secret-key", "age secret key", &[Text("AGE-SECRET-KEY-1"), Run(Upper, 58, 58)]),
    token("anthropic-key", "Anthropic API key", &[Text("sk-ant-"), Run(Url, 80, 120)]),
    token("aws-access-key", "AWS access key id", &[Text("AKIA"), Run(Upper, 16, 16)]),
    token("aws-session-key", "AWS temporary key id", &[Text("ASIA"), Run(Upper, 16, 16)]),
    token(
        "aws-secret-key",
        "AWS secret access key",
        &[Text("aws_secret_access_key = "), Run(Base64, 40, 40)],
    ),
    token(
        "aws-secret-key",
        "AWS secret access key",
        &[Text("aws_secret_access_key="), Run(Base64, 40, 40)],
    ),
    token(
        "azure-storage-key",
        "Azure storage account key",
        &[Text("AccountKey="), Run(Base64, 88, 88)],
    ),
    token("crates-io-token", "crates.io token", &[Text("cio"), Run(Alnum, 32, 32)]),
    token("databricks-token", "Databricks token", &[Text("dapi"), Run(Hex, 32, 32)]),
    token("digitalocean-token", "DigitalOcean token", &[Text("dop_v1_"), Run(Hex, 64, 64)]),
    token("digitalocean-oauth", "DigitalOcean OAuth token", &[Text("doo_v1_"), Run(Hex, 64, 64)]),
    token("docker-token", "Docker access token", &[Text("dckr_pat_"), Run(Url, 27, 27)]),
    token("doppler-token", "Doppler token", &[Text("dp.pt."), Run(Alnum, 43, 43)]),
    token("github-token", "GitHub personal access token", &[Text("ghp_"), Run(Alnum, 36, 36)]),
    token("github-oauth", "GitHub OAuth token", &[Text("gho_"), Run(Alnum, 36, 36)]),
    token("github-user", "GitHub user-to-server token", &[Text("ghu_"), Run(Alnum, 36, 36)]),
    token("github-server", "GitHub server-to-server token", &[Text("ghs_"), Run(Alnum, 36, 36)]),
    token("github-refresh", "GitHub refresh token", &[Text("ghr_"), Run(Alnum, 36, 76)]),
    token(
        "github-fine-grained",
        "GitHub fine-grained token",
        &[Text("github_pat_"), Run(Word, 82, 82)],
    ),
    token("gitlab-token", "GitLab personal access token", &[Text("glpat-"), Run(Url, 20, 64)]),
    token("gitlab-deploy", "GitLab deploy token", &[Text("gldt-"), Run(Url, 20, 64)]),
    token("gitlab-runner", "GitLab runner token", &[Text("glrt-"), Run(Url, 20, 64)]),
    token("google-api-key", "Google API key", &[Text("AIza"), Run(Url, 35, 35)]),
    token("google-oauth", "Google OAuth client secret", &[Text("GOCSPX-"), Run(Url, 28, 28)]),
    token(
        "grafana-token",
        "Grafana service account token",
        &[Text("glsa_"), Run(Alnum, 32, 32), Text("_"), Run(Hex, 8, 8)],
    ),
    token("hugging-face-token", "Hugging Face token", &[Text("hf_"), Run(Alnum, 34, 40)]),
    token(
        "json-web-token",
        "JSON Web Token",
        &[
            Text("eyJ"),
            Run(Url, 10, 4000),
            Text(".eyJ"),
            Run(Url, 10, 4000),
            Text("."),
            Run(Url, 16, 1000),
        ],
    ),
    token("linear-key", "Linear API key", &[Text("lin_api_"), Run(Alnum, 40, 40)]),
    token("mailgun-key", "Mailgun key", &[Text("key-"), Run(Hex, 32, 32)]),
    token("new-relic-key", "New Relic user key", &[Text("NRAK-"), Run(Upper, 27, 27)]),
    token("npm-token", "npm access token", &[Text("npm_"), Run(Alnum, 36, 36)]),
    token("openai-key", "OpenAI API key", &[Text("sk-proj-"), Run(Url, 40, 200)]),
    token("planetscale-token", "PlanetScale token", &[Text("pscale_tkn_"), Run(Url, 32, 64)]),
    token(
        "postman-key",
        "Postman API key",
        &[Text("PMAK-"), Run(Hex, 24, 24), Text("-"), Run(Hex, 34, 34)],
    ),
    frame("private-key", "private key", &[Text("-----BEGIN PRIVATE KEY-----")]),
    frame("private-key", "private key", &[Text("-----BEGIN RSA PRIVATE KEY-----")]),
    frame("private-key", "private key", &[Text("-----BEGIN EC PRIVATE KEY-----")]),
    frame("private-key", "private key", &[Text("-----BEGIN DSA PRIVATE KEY-----")]),
    frame("private-key", "private key", &[Text("-----BEGIN OPENSSH PRIVATE KEY-----")]),
    frame("private-key", "private key", &[Text("-----BEGIN PGP PRIVATE KEY BLOCK-----")]),
    token("pypi-token", "PyPI upload token", &[Text("pypi-AgEI"), Run(Url, 50, 400)]),
    token("rubygems-key", "RubyGems API key", &[Text("rubygems_"), Run(Hex, 48, 48)]),
    token(
        "sendgrid-key",
        "SendGrid API key",
        &[Text("SG."), Run(Url, 22, 22), Text("."), Run(Url, 43, 43)],
    ),
    token("shopify-token", "Shopify access token", &[Text("shpat_"), Run(Hex, 32, 32)]),
    token("shopify-secret", "Shopify shared secret", &[Text("shpss_"), Run(Hex, 32, 32)]),
    token(
        "slack-bot",
        "Slack bot token",
        &[Text("xoxb-"), Run(Alnum, 10, 13), Text("-"), Run(Url, 20, 80)],
    ),
    token(
        "slack-user",
        "Slack user token",
        &[Text("xoxp-"), Run(Alnum, 10, 13), Text("-"), Run(Url, 20, 120)],
    ),
    token(
        "slack-webhook",
        "Slack webhook",
        &[
            Text("hooks.slack.com/services/T"),
            Run(Upper, 8, 12),
            Text("/B"),
            Run(Upper, 8, 12),
            Text("/"),
            Run(Alnum, 24, 24),
        ],
    ),
    token("stripe-key", "Stripe live secret key", &[Text("sk_live_"), Run(Alnum, 24, 120)]),
    token(
        "stripe-restricted",
        "Stripe live restricted key",
        &[Text("rk_live_"), Run(Alnum, 24, 120)],
    ),
    token("supabase-token", "Supabase token", &[Text("sbp_"), Run(Hex, 40, 40)]),
    token("vault-token", "HashiCorp Vault token", &[Text("hvs."), Run(Url, 90, 200)]),
];

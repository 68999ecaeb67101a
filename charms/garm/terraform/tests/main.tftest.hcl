mock_provider "juju" {}

variables {
  model_uuid = "11111111-2222-4333-8444-555555555555"
}

run "defaults" {
  assert {
    condition     = output.app_name == "garm" && juju_application.this.charm[0].name == "garm"
    error_message = "The application and its charm are garm."
  }

  assert {
    condition     = juju_application.this.charm[0].channel == "latest/stable" && juju_application.this.units == 1
    error_message = "One unit is deployed from latest/stable."
  }

  assert {
    condition     = juju_application.this.storage_directives["data"] == "1G"
    error_message = "GARM has a place for its database, which cannot be added afterwards."
  }
}

run "inputs" {
  variables {
    app_name           = "runners"
    channel            = "latest/edge"
    config             = { external-url = "https://garm.example.com" }
    resources          = { app-image = "17" }
    revision           = 3
    storage_directives = {}
    units              = 2
  }

  assert {
    condition     = output.app_name == "runners" && juju_application.this.units == 2
    error_message = "The name and the number of units are those that were given."
  }

  assert {
    condition     = juju_application.this.charm[0].channel == "latest/edge" && juju_application.this.charm[0].revision == 3
    error_message = "The charm is of the channel and revision that were given."
  }

  assert {
    condition     = juju_application.this.config["external-url"] == "https://garm.example.com"
    error_message = "The options are those that were given."
  }

  assert {
    condition     = juju_application.this.resources["app-image"] == "17" && length(juju_application.this.storage_directives) == 0
    error_message = "The image and the storage are those that were given."
  }
}

run "fewer_units_than_none" {
  command = plan

  variables {
    units = -1
  }

  expect_failures = [var.units]
}

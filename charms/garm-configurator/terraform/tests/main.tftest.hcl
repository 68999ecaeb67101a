mock_provider "juju" {}

variables {
  model_uuid = "11111111-2222-4333-8444-555555555555"
}

run "defaults" {
  assert {
    condition     = output.app_name == "garm-configurator" && juju_application.this.charm[0].name == "garm-configurator"
    error_message = "The application and its charm are garm-configurator."
  }

  assert {
    condition     = juju_application.this.charm[0].channel == "latest/stable" && juju_application.this.units == 1
    error_message = "One unit is deployed from latest/stable."
  }
}

run "inputs" {
  variables {
    app_name = "small"
    channel  = "latest/edge"
    config   = { name = "small", org = "acme", flavor = "m1.small" }
    revision = 3
  }

  assert {
    condition     = output.app_name == "small" && juju_application.this.config["flavor"] == "m1.small"
    error_message = "The name and the options are those that were given."
  }

  assert {
    condition     = juju_application.this.charm[0].channel == "latest/edge" && juju_application.this.charm[0].revision == 3
    error_message = "The charm is of the channel and revision that were given."
  }
}

run "fewer_units_than_none" {
  command = plan

  variables {
    units = -1
  }

  expect_failures = [var.units]
}

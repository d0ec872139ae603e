module acr-credential-helper/testbed/guard

go 1.26.0

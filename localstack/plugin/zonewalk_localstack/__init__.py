"""Services that LocalStack's open-source core has no provider for, answered by the moto that it bundles."""

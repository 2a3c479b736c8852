"""Shipped: contract suites and fakes for every port."""

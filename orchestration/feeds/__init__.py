"""Raw LMS and HR data in: the contract, the readers, landing."""

#include "probe/identity.hpp"

#include "catch.hpp"
#include "probe/sysroot.hpp"

using namespace canirun;

TEST_CASE("a PCI address has one spelling whoever writes it", "[probe][identity]")
{
  CHECK(canonical_pci_address("00000000:01:00.0") == "0000:01:00.0");  // NVML
  CHECK(canonical_pci_address("0000:C1:00.0") == "0000:c1:00.0");
  CHECK(canonical_pci_address("01:00.0") == "0000:01:00.0");
  CHECK(canonical_pci_address("0000000F:01:00.0") == "000f:01:00.0");  // a DGX Spark
  CHECK(canonical_pci_address("10000:e1:00.0") == "10000:e1:00.0");    // behind Intel's VMD
}

TEST_CASE("a PCI address that no GPU has is no identity", "[probe][identity]")
{
  CHECK_FALSE(canonical_pci_address("0000:00:00.0"));
  CHECK_FALSE(canonical_pci_address("0000:01:20.0"));
  CHECK_FALSE(canonical_pci_address("platform"));
  CHECK_FALSE(canonical_pci_address(""));
}

TEST_CASE("a UUID is told from zeros and from Mesa's version text", "[probe][identity]")
{
  CHECK(canonical_uuid("GPU-ffd5acaf-0000-1111-2222-333344445555") == "ffd5acaf000011112222333344445555");
  CHECK(canonical_uuid("FFD5ACAF000011112222333344445555") == "ffd5acaf000011112222333344445555");
  CHECK_FALSE(canonical_uuid("00000000-0000-0000-0000-000000000000"));
  CHECK_FALSE(canonical_uuid("6d65736132322e332e36000000000000"));  // "mesa22.3.6"
  CHECK_FALSE(canonical_uuid("unknown"));
}

TEST_CASE("text from a driver is shown only when it is text", "[probe][identity]")
{
  CHECK(clean_text("  NVIDIA GeForce RTX 4090\n") == "NVIDIA GeForce RTX 4090");
  CHECK(clean_text("evil\x1b[31mname") == "evil[31mname");
  CHECK_FALSE(clean_text("\xff\xfe\xfd"));
  CHECK_FALSE(clean_text("\xc0\xaf"));      // an overlong "/"
  CHECK_FALSE(clean_text("\xed\xa0\x80"));  // half a surrogate pair
  CHECK_FALSE(clean_text("   "));
  CHECK(clean_text(std::string(5000, 'x'))->size() <= 128);
}

TEST_CASE("a compute capability names the architecture and tells a chip that shares memory", "[probe][identity]")
{
  CHECK(nvidia_architecture(8, 6) == "Ampere");
  CHECK(nvidia_architecture(8, 9) == "Ada");
  CHECK(nvidia_architecture(12, 0) == "Blackwell");
  CHECK(nvidia_architecture(99, 0).empty());
  CHECK(is_integrated_nvidia(8, 7));   // Orin
  CHECK(is_integrated_nvidia(12, 1));  // GB10
  CHECK_FALSE(is_integrated_nvidia(12, 0));
}

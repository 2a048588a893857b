package instrument

import "strings"

// The code systems whose codes are checked or named here.
const (
	loincSystem  = "http://loinc.org"
	snomedSystem = "http://snomed.info/sct"
)

// loincProblem says what is wrong with a LOINC code: its check digit must be the mod 10 digit of its stem.
// Answer codes (LA) and answer lists (LL) follow another scheme and pass.
func loincProblem(code string) string {
	if strings.HasPrefix(code, "LA") || strings.HasPrefix(code, "LL") {
		return ""
	}
	stem, check, ok := strings.Cut(code, "-")
	if !ok || stem == "" || len(check) != 1 || strings.Trim(stem+check, "0123456789") != "" {
		return "is not a LOINC code of the form 12345-6"
	}
	if loincDigit(stem) != check[0] {
		return "fails the LOINC check digit"
	}
	return ""
}

func loincDigit(stem string) byte {
	sum := 0
	for i := range len(stem) {
		digit := int(stem[len(stem)-1-i] - '0')
		if i%2 == 0 {
			digit *= 2
		}
		sum += digit/10 + digit%10
	}
	return byte('0' + (10-sum%10)%10)
}

// reserved are codes that belong to one instrument or to none of ours, and are known to be mistaken for others.
var reserved = map[string]string{
	loincSystem + "|44249-1":    "phq-9",
	loincSystem + "|44261-6":    "phq-9",
	snomedSystem + "|720433000": "phq-9",
	loincSystem + "|55758-7":    "phq-2",
	loincSystem + "|70274-6":    "gad-7",
	loincSystem + "|70272-0":    "phq-4",
	loincSystem + "|91351-7":    "start-back",
	loincSystem + "|70273-8":    "phq-15",
	loincSystem + "|73831-0":    "the adolescent depression screen",
	loincSystem + "|73832-8":    "the adult depression screen",
	loincSystem + "|71957-5":    "PROMIS-29 v1 satisfaction",
	loincSystem + "|77866-2":    "PROMIS physical function v1.0",
}
